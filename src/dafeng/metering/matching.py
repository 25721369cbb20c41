"""Accounts of grid, gas, heat and water companies (户号) and the buildings that they may supply, with score and reasons.

An exact code settles a match; everything else is a proposal for a person to decide (`account_links`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import polars as pl
from rapidfuzz import fuzz
from rapidfuzz.process import cpdist

from dafeng.base.place import PlaceTree
from dafeng.metering.account_links import AccountLink

__all__ = ["ACCOUNT_SCHEMA", "MATCH_SCHEMA", "match_accounts"]

ACCOUNT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "account": pl.String(),
    "name": pl.String(),
    "address": pl.String(),
    "place": pl.String(),
    "carrier": pl.String(),
    "building_code": pl.String(),
}
"""Columns of accounts: number of the account, name of the customer, address, place id, carrier, and a building code where the
company has one."""

MATCH_SCHEMA: Final[dict[str, pl.DataType]] = {
    "account": pl.String(),
    "account_name": pl.String(),
    "account_address": pl.String(),
    "place": pl.String(),
    "carrier": pl.String(),
    "building": pl.String(),
    "building_name": pl.String(),
    "building_address": pl.String(),
    "score": pl.Float64(),
    "reasons": pl.String(),
    "rank": pl.Int64(),
    "exact": pl.Boolean(),
}
"""Columns of proposals, the likeliest first for each account; accounts without any have one row with a null building."""

LOW: Final = 0.55
"""Likeness from which a building is proposed."""
_COMMON: Final = 200
_RARE: Final = 4
_LETTERS: Final = 24
_KEEP: Final = 3
_NOISE: Final = r"有限责任公司|股份有限公司|有限公司|分公司|物业管理|物业服务|物业|管理委员会|管委会|服务中心|公共用电|总表|专变|公变|用户|户名"
_DIVISIONS: Final = r"[\p{Han}]{2,7}?(?:省|自治区|市|自治州|县|区)"
_NUMBERS: Final = r"\d+"
_STREET: Final = r"(?:[\p{Han}]{1,6}(?:路|街|道|巷|里|弄|胡同))?\d+(?:号楼|号院|号|栋|幢|座|单元|层|室|户)*"
_DOOR: Final = r"([\p{Han}]{1,3}(?:路|街|道|巷|弄|胡同)\d+号)"


def _plain(text: pl.Expr) -> pl.Expr:
    """Return text in one form: folded width, small letters, no punctuation."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^0-9a-z\p{Han}]", "")


def _core(text: pl.Expr) -> pl.Expr:
    """Return what tells names and addresses apart: without legal forms and the divisions at the beginning."""
    plain = _plain(text)
    bare = plain.str.replace(f"^(?:{_DIVISIONS})+", "")
    return pl.when(bare.str.len_chars() >= 3).then(bare).otherwise(plain).str.replace_all(_NOISE, "").fill_null("")


def _bigrams(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return id and each pair of neighbouring letters of some columns."""
    parts = [
        frame.select("id", "district", gram=pl.col(name).str.slice(start, 2)).filter(
            pl.col("gram").str.len_chars() == 2
        )
        for name in columns
        for start in range(_LETTERS)
    ]
    return pl.concat(parts).unique()


def _doors(frame: pl.DataFrame) -> pl.DataFrame:
    """Return id and street with house number of those whose address has one."""
    return frame.select("id", "district", gram=pl.col("address_core").str.extract(_DOOR, 1)).filter(
        pl.col("gram").is_not_null()
    )


def match_accounts(
    accounts: pl.DataFrame,
    buildings: pl.DataFrame,
    *,
    decided: Iterable[AccountLink] = (),
    low: float = LOW,
    keep: int = _KEEP,
    places: PlaceTree | None = None,
) -> pl.DataFrame:
    """Return for each account the buildings that it may supply.

    Accounts and buildings are compared that share street and house number, or one of the rarest pairs of letters of the
    customer's name; those of different districts are not, one of unknown place is compared with all. An equal address
    alone counts for less than an equal address and name: a tenant is not the building.

    Parameters
    ----------
    accounts : DataFrame of `ACCOUNT_SCHEMA`
        Missing columns are unknown.
    buildings : DataFrame
        `building` or `building_code`, `building_name`, and `owner`, `address`, `place` where known.
    decided : iterable of AccountLink
        Accounts with an accepted link are not proposed again, nor are rejected pairs.
    low : float
        Least likeness that is proposed.
    keep : int
        Proposals an account has at most.
    places : PlaceTree, optional
        By it a place, by id or as written (市南区), counts as the district (县区) that it lies in.

    Returns
    -------
    DataFrame of `MATCH_SCHEMA`

    Examples
    --------
    >>> accounts = pl.DataFrame({"account": ["1", "2"], "name": ["青岛海天大厦物业管理有限公司", "张三"], "address": ["香港西路48号", None]})
    >>> buildings = pl.DataFrame({"building": ["a", "b"], "building_name": ["海天大厦", "汇泉王朝大酒店"],
    ...                           "address": ["市南区香港西路48号", "南海路9号"]})
    >>> match_accounts(accounts, buildings).select("account", "building", "reasons").rows()
    [('1', 'a', '名称相似 100%、地址相同'), ('2', None, '没有相似的建筑')]
    """
    decided = list(decided)
    left, right = _accounts(accounts, places), _buildings(buildings, places)
    settled = {(link.account, link.carrier) for link in decided if link.accepted}
    done = pl.Series([f"{account}|{carrier}" for account, carrier in sorted(settled)], dtype=pl.String)
    anonymous = pl.Series(sorted(account for account, carrier in settled if not carrier), dtype=pl.String)
    key = pl.format("{}|{}", "account", pl.col("carrier").fill_null(""))
    open_ = left.filter(~key.is_in(done.implode()) & ~pl.col("account").is_in(anonymous.implode()))
    by_code = open_.join(
        right.select("building", code="building"), left_on="building_code", right_on="code", how="inner"
    )
    pairs = _scored(_blocked(open_, right), open_, right)
    pairs = pl.concat([
        pairs.filter(pl.col("score") >= low).with_columns(exact=pl.lit(False)),
        by_code.select(a="id", building="building").join(right.select("building", b="id"), on="building").select(
            "a", "b", score=pl.lit(1.0), reasons=pl.lit("建筑代码相同"), exact=pl.lit(True)),
    ])  # fmt: skip
    pairs = pairs.sort("exact", "score", descending=True).unique(["a", "b"], keep="first", maintain_order=True)
    shown = right.select("building", "building_name", building_address="address", b="id")
    found = pairs.join(shown, on="b").join(_rejected(decided, left), on=["a", "building"], how="anti")
    found = found.sort("a", "exact", "score", "building", descending=[False, True, True, False])
    found = found.with_columns(rank=pl.int_range(1, pl.len() + 1).over("a")).filter(pl.col("rank") <= keep)
    rows = open_.select("account", "place", "carrier", a="id", account_name="name", account_address="address").join(
        found, on="a", how="left"
    )
    return (
        rows.with_columns(reasons=pl.col("reasons").fill_null("没有相似的建筑"), exact=pl.col("exact").fill_null(False))
        .sort("a", "rank")
        .select(pl.col(name).cast(kind) for name, kind in MATCH_SCHEMA.items())
    )


def _accounts(frame: pl.DataFrame, places: PlaceTree | None) -> pl.DataFrame:
    blank = [pl.lit(None, kind).alias(name) for name, kind in ACCOUNT_SCHEMA.items() if name not in frame.columns]
    frame = frame.with_columns(blank).select(pl.col(name).cast(kind) for name, kind in ACCOUNT_SCHEMA.items())
    frame = frame.unique(["account", "carrier"], keep="first", maintain_order=True).with_row_index("id")
    return _districts(frame, places).with_columns(
        name_core=_core(pl.col("name")), address_core=_core(pl.col("address")), plain=_plain(pl.col("name"))
    )


def _buildings(frame: pl.DataFrame, places: PlaceTree | None) -> pl.DataFrame:
    frame = frame if "building" in frame.columns else frame.rename({"building_code": "building"})
    wanted = ("building", "building_name", "owner", "address", "place")
    blank = [pl.lit(None, pl.String).alias(name) for name in wanted if name not in frame.columns]
    frame = frame.with_columns(blank).select(wanted).unique("building", keep="first", maintain_order=True)
    return _districts(frame.with_row_index("id"), places).with_columns(
        name_core=_core(pl.col("building_name")),
        owner_core=_core(pl.col("owner")),
        address_core=_core(pl.col("address")),
    )


def _districts(frame: pl.DataFrame, places: PlaceTree | None) -> pl.DataFrame:
    """Return things with the district in which their place lies: the place itself without a tree."""
    if places is None:
        return frame.with_columns(district=pl.col("place"))
    known = {}
    for place in frame["place"].unique().drop_nulls().sort():
        named = [places.get(place)] if place in places else places.candidates(place)
        chain = [named[0], *places.ancestors(named[0].id)] if len(named) == 1 else []
        known[place] = next((one.id for one in chain if one.level.value == "county"), None)
    return frame.with_columns(district=pl.col("place").replace_strict(known, default=None, return_dtype=pl.String))


def _blocked(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Return ids of accounts and buildings that share street and number, or one of the account's rarest pairs of letters.

    Letters are taken from the customer's name and from what the address says beside street and number.
    """
    theirs = _bigrams(right, ["name_core", "owner_core"])
    theirs = theirs.with_columns(many=pl.len().over("gram")).filter(pl.col("many") <= _COMMON)
    rest = left.with_columns(rest=pl.col("address_core").str.replace_all(_STREET, ""))
    mine = pl.concat([
        _rarest(_bigrams(rest, [column]), theirs.select("gram", "many").unique()) for column in ("name_core", "rest")
    ]).unique()  # fmt: skip
    near = pl.col("district").is_null() | pl.col("other").is_null() | (pl.col("district") == pl.col("other"))
    joined = [
        own.join(other.select("gram", b="id", other="district"), on="gram").filter(near).select(a="id", b="b")
        for own, other in ((mine, theirs), (_doors(left), _doors(right)))
    ]
    return pl.concat(joined).unique()


def _rarest(grams: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    found = grams.join(counts, on="gram")
    found = found.with_columns(order=pl.struct("many", "gram").rank("ordinal").over("id"))
    return found.filter(pl.col("order") <= _RARE).select("id", "district", "gram")


def _scored(pairs: pl.DataFrame, left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Return pairs with likeness and its reasons: name or owner, address with its numbers."""
    own = left.select(a="id", a_name="name_core", a_address="address_core")
    other = right.select(b="id", b_name="name_core", b_owner="owner_core", b_address="address_core")
    pairs = pairs.join(own, on="a").join(other, on="b")

    def alike(first: str, second: str, scorer: Any) -> pl.Series:
        return pl.Series(
            cpdist(pairs[first].to_list(), pairs[second].to_list(), scorer=scorer) / 100.0, dtype=pl.Float64
        )

    pairs = pairs.with_columns(
        exactly=alike("a_name", "b_name", fuzz.ratio),
        within=alike("a_name", "b_name", fuzz.partial_ratio),
        owned=alike("a_name", "b_owner", fuzz.ratio),
        street=alike("a_address", "b_address", fuzz.ratio),
        inside=alike("a_address", "b_address", fuzz.partial_ratio),
    )
    both = pl.min_horizontal(pl.col("a_name").str.len_chars(), pl.col("b_name").str.len_chars())
    named = pl.max_horizontal("exactly", pl.when(both >= 3).then(pl.col("within") * 0.97), pl.col("owned") * 0.9)
    addressed = (pl.col("a_address") != "") & (pl.col("b_address") != "")
    shorter = pl.min_horizontal(pl.col("a_address").str.len_chars(), pl.col("b_address").str.len_chars())
    road = pl.max_horizontal("street", pl.when(shorter >= 5).then(pl.col("inside") * 0.97))
    numbers = pl.col("a_address").str.extract_all(_NUMBERS).list.first()
    theirs = pl.col("b_address").str.extract_all(_NUMBERS).list.first()
    apart = (numbers != theirs).fill_null(False)
    has_name = (pl.col("a_name") != "") & (pl.col("b_name") != "")
    pairs = pairs.with_columns(
        name=pl.when(has_name).then(named.clip(0, 1)),
        address=pl.when(addressed).then(pl.when(apart).then(road * 0.5).otherwise(road)),
        has_owner=(pl.col("owned") >= 0.95) & (pl.col("b_owner") != ""),
        other_number=addressed & apart & (road > 0.7),
    )
    score = (
        pl.when(pl.col("name").is_not_null() & pl.col("address").is_not_null())
        .then(pl.max_horizontal(0.55 * pl.col("name") + 0.45 * pl.col("address"), 0.8 * pl.col("address")))
        .when(pl.col("name").is_not_null())
        .then(0.85 * pl.col("name"))
        .otherwise(0.8 * pl.col("address"))
    )
    reasons = pl.concat_str(
        pl.when(pl.col("exactly").is_not_null() & (pl.col("name") >= 0.5)).then(
            pl.format("名称相似 {}%", (pl.max_horizontal("exactly", "within") * 100).round(0).cast(pl.Int64))
        ),
        pl.when(pl.col("has_owner")).then(pl.lit("户名即业主")),
        pl.when(pl.col("address") >= 0.95)
        .then(pl.lit("地址相同"))
        .when(pl.col("address") >= 0.6)
        .then(pl.lit("地址相近")),
        pl.when(pl.col("other_number")).then(pl.lit("门牌号不同")),
        separator="、",
        ignore_nulls=True,
    )
    return pairs.select("a", "b", score=score.round(4).fill_null(0.0), reasons=reasons)


def _rejected(decided: Iterable[AccountLink], left: pl.DataFrame) -> pl.DataFrame:
    rows = sorted({(link.account, link.building) for link in decided if not link.accepted})
    pairs = pl.DataFrame(rows, schema={"account": pl.String(), "building": pl.String()}, orient="row")
    return pairs.join(left.select("account", a="id"), on="account").select("a", "building")
