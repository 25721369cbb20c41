"""Names of responsible bodies: how they end, how a list of them is cut, what stands before and behind without being a name.

The word classes are closed. Names that the catalog holds decide only where grammar is in doubt, and each body says which
of the two it came from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.plans.read_records import Origin

__all__ = ["BODY_LABEL", "NamedBodies", "is_body_name", "join_named", "read_bodies"]

_STRONG: Final = re.compile(
    r"(?:局|厅|署|委|委员会|办公室|(?:督查|研究|参事|调研)室|办公厅|管委会|管理处|事务所|总队|支队|大队|电视台|气象台|行署|政协|人大|法院|检察院|"
    r"(?<![承经主举协创开])办|(?<![一全各内外大中小东西南北局])部|(?:人民|[省市县区州盟旗级乡镇地方])政府(?:\(行署\))?|"
    r"人民银行|人行|(?:分|支|总|央|商业|开发|农业|建设|工商)行|银保监|证监会|金融监管|海关|税务|"
    r"集团|(?<!物业)(?<!建筑)(?<!咨询)公司|总站|(?:管理|监督|检测|监测|指导|推广|服务|环卫|质监|安监)站|"
    r"(?:服务|管理|事务|监测|保障|促进|发展|研究|指导|监管|信息|数据|公积金|交易|事业|规划|监督|调度|登记|技术|推广|科技|节能|墙改|建设|评估|造价)中心|"
    r"供销(?:合作)?(?:总)?社|联合社|总社|联合会|协会|学会|总会|工会|妇联|团委|残联|科协|工商联|文联|红十字会|基金会|商会|银行业协会|"
    r"研究院|设计院|规划院|科学院|建科院|研究所|党校|行政学院|报社|邮政|电力|联通|移动|电信|铁塔|"
    r"指挥部|领导小组|工作组|专班|街道办|办事处|公安|师市|"
    r"\([^()]{1,20}(?:局|厅|委|办|办公室|部|会|中心)\))$"
)
_COLLECTIVE: Final = re.compile(
    r"^(?:(?:省|市|县|区|州|盟|国家|自治区|全省|全市|全区|全县|地方|中央|省级|市级|县级|区级|州级|市直|省直|区直|县直|州直|自治州|其他|其它|相关|有关|属地)*各|"
    r"(?:省|市|县|区|州|国务院|省级|市级|县级|区级|州级|市直|省直|区直|县直|州直|国家|驻.{1,3}|中央|地方)?(?:其他|其它)?(?:有关|相关)|"
    r"属地|地方|沿线|试点|所在|基层|市县|县市|区县|县区)[^,;。:]{0,40}$"
)
_COLLECTIVE_END: Final = re.compile(
    r"(?:[区市县州盟旗地镇乡师级行院)]|街道|部门|单位|机构|政府|企业|公司|委|局|厅|办|办事处|行署|高校|院校|院所|协会|主体|机关|团体|集团|处室|科室)$"
)
_PLACE: Final = re.compile(
    r"(?<![城社小园街住校厂矿景山库郊])(?:[省市县区州盟旗]|地区|新城|街道|[^场城]镇|[^城]乡|兵团)$|(?:开发区|示范区|高新区|经开区|新区|功能区|园区|生态园|管理区|试验区|生态城|合作区)$"
)
_WEAK_END: Final = re.compile(
    "(?:中心|公司|会|院|社|所|站|银行|大学|学院|学校|企业|机构|部门|单位|政府|电网|高校|机关|医院)$"
)
_GENERIC: Final = re.compile(
    r"(?:施工|建设|设计|监理|勘察|生产|用能|产权|运营|使用|检测|养护|业主|开发|代建|总包|承包|供应|第三方|物业|服务|销售|咨询|用人|编制)"
    r"(?:单位|企业|机构|主体|方|公司|部门|商)$"
    r"|^(?:企业|单位|部门|有关|相关|机构|地区|政府|个人|群众|居民|社会|国家|市场|财政|专人|专家|双方|部分|全部|地方|中心|公司|集团|局|委|厅|办|"
    r"院|会|区|市|县|其他|其它|各|另行|以下|以上)$"
)
_ORGAN: Final = "(?:单位|部门|主体|机构|处室|科室|领导|机关|地区|区县)"
_ROLE: Final = "(?:责任|牵头|配合|参与|参加|协作|协同|协办|协助|主办|承办|主责|实施|落实|支持|指导|督导|监管|负责|主管|组织|完成|推进|执行)"
BODY_LABEL: Final = (
    rf"(?:(?:省级|市级|县级|区级|州级|省直|市直|第一|主要|共同|各|总)?{_ROLE}(?:{_ROLE}|及配合|和配合|、配合)?{_ORGAN}"
    rf"(?:(?:和|及|、|与){_ROLE}?{_ORGAN})?|(?:职责|责任|任务|工作)分工)"
)
"""Pattern of the label before a list of bodies (责任单位, 牵头部门 …), without its colon."""
_LABEL: Final = re.compile(
    rf"(?:{BODY_LABEL}(?:\([^()]{{1,12}}\))?(?::|为:?|是:?|(?=[省市县区州各国]))|^(?:责任人|牵头|配合|负责|责任|分工|参与|主责|主办|协办):)"
)
_LEADS: Final = re.compile("牵头|主办|主责|第一")
_HELPS: Final = re.compile("配合|参与|参加|协作|协同|协办|协助|支持")
_ETC: Final = (
    r"等(?:\d{1,2}|[一二三四五六七八九十两多各]{1,3})?(?:个|家)?(?:省|市|县|区|州)?(?:级|直)?(?:各)?(?:有关|相关)?(?:责任|职能|成员|行业|主管)?"
    r"(?:(?:部门|单位|地区|地方|地|企业|机构|部委|厅局|区县)(?:(?:和|及|、)(?:部门|单位|地区|企业|机构))?)?"
)
_BASIS: Final = (
    r"(?:按照?|根据|依据|依照|依|结合|在)(?:照)?(?:各自|本|部门|有关|相关|所属|自身|其)?(?:的)?(?:工作|法定|管理|部门)?(?:职责|职能|责任|任务|职权|分工){1,2}"
    r"(?:范围|权限|要求)?(?:内)?(?:(?:和|与|及)(?:任务|责任|职责)?分工)?(?:分别)?"
)
_ADVERB: Final = (
    "(?:具体|分别|共同|分工|分头|组织|统筹|联合|协同|密切|协作|积极|予以|做好|抓好|全力|认真|切实|协调|加强)"
)
_VERB: Final = (
    "(?:牵头|负责|配合|参与|参加|协助|协同|落实|实施|推进|推动|指导|支持|主办|协办|承办|贯彻|组织|抓总|开展|督促|执行)"
)
_TAIL: Final = re.compile(
    rf"(?:{_ETC})?(?:{_BASIS})?(?:(?:均|都)?(?:为|是)(?:主要)?责任(?:单位|主体|部门))?(?:{_ADVERB}{{0,3}}{_VERB}{{1,3}}(?:到位)?(?:(?:此项|本项|相关|有关|各项)?工作)?)?$"
)
_NOTE_IN_BRACKET: Final = re.compile(r"[(\[](?:含|包括|包含|不含|下同|以下|简称)[^()\[\]]*[)\]]$")
_ROLE_IN_BRACKET: Final = re.compile(r"\((?P<role>牵头|负责|主办|配合|参与|协助)(?:单位|部门)?\)$")
_ROLE_BREAK: Final = re.compile(
    r"(?<=牵头)(?=会同|联合|[省市县区各])|(?<=牵头负责)(?=会同|联合|[省市县区各])|(?<=负责)(?=[省市县各])"
)
_PREFIX: Final = re.compile(
    r"^(?:由(?!于)|以及|会同|并由|其中|同时|涉及|再由|(?:和|与|及|并|联合)(?=[各省市县区其相有])|\d{1,2}[.)](?!\d)|注:|省级(?:层面)?:|市级(?:层面)?:|县级(?:层面)?:|"
    r"[★☆*●▲◆■※])"
)
_STANDING: Final = re.compile(
    r"^(?:以下|下列|后续|其余|其他|各项|以上|下面)?(?:各项|所有|全部|任务|工作|措施|内容|均|都|皆|也|相同|同上|如此)*(?:下同|后同|以下同|同|均同|相同)?"
    r"(?:的)?(?:均|都)?(?:不再|不)?(?:一一|逐一|重复|另行|单独|再)*(?:列出|列举|罗列|赘述|说明|列明|标注|注明|列)?(?:此类|责任单位|责任部门)?$"
)
_STANDING_WORD: Final = re.compile(r"同$|下同|不再|列出")
_STANDING_OPEN: Final = re.compile(
    r"^(?:以下|下列|后续|各项)(?:各项|各条|所有|全部|重点|任务|工作|措施|内容|事项|条款)*(?:均|都|皆)?(?:还)?(?:需要?|须|应|由|涉及|要)*"
)
_JOINT: Final = re.compile("会同|以及|联合(?=[省市县区各])|[和与及](?=[^\\s])")
_RUN_ON: Final = re.compile(
    r"(?:(?<=厅)|(?<=局)(?<!总局)|(?<=办)(?<!政府办)|(?<=集团)|(?<=政府)|(?<=委员会)|(?<=管委会)|(?<=公司)|(?<=[健资改康革设信]委)|(?<=务中心))"
    r"(?<=[\u4e00-\u9fff]{4})(?=(?:省|市(?!场|政|容|属)|县(?!域)|自治区|国网|国家|各)[\u4e00-\u9fff]{2,})"
)
_ETC_AND: Final = re.compile(
    "等(?![级])[^、,;。等]{0,8}?(?:部门|单位|企业|机构)?(?:和|及|与|以及)(?=[各省市县区相有其])"
)
_OTHER_LABEL: Final = re.compile("^[^:]{2,12}:")
_NOT_NAME: Final = re.compile(r"(?:19|20)\d\d年|\d月|简称|完成|%|:")
_COMPOUND_FIRST: Final = re.compile(r"^各(?:设区)?(?:[省市州盟区县旗地师]|地区)(?:\([^()]*\))?$")
_COMPOUND_NEXT: Final = re.compile(
    r"^(?:[市州盟区县旗]|地区|自治县|功能区|团场)(?:\([^()]*\))?(?:人民政府|政府|管委会|党委|政府\(管委会\))?(?:\([^()]*\))?$"
)
_DUTY_WORD: Final = re.compile(
    "牵头|负责|配合|参与|参加|协助|协同|落实|实施|推进|推动|主办|协办|承办|责任|职责|职能|分工"
)
_SEPARATORS: Final = frozenset("、,;。/|·")
_ANGLES: Final = str.maketrans("〈〉<>", "()()")


@dataclass(frozen=True, slots=True)
class NamedBodies:
    """Bodies that a piece of text names."""

    bodies: tuple[str, ...]
    """Names as written."""
    leads: tuple[str, ...] = ()
    """Those named as 牵头."""
    origins: tuple[Origin, ...] = ()
    """Grammar or lexicon, for each body."""
    standing: tuple[str, ...] = ()
    """Those that the text names for all that follows, without naming them again."""
    labelled: bool = False
    """Whether a label such as 责任单位 stood before them."""
    duty: bool = False
    """Whether a duty such as 负责 stood behind them."""
    sure: int = 0
    """How many of them end as only names of bodies do, or are in the catalog."""


@dataclass(slots=True)
class _Name:
    """A name with its place."""

    start: int
    end: int
    origin: Origin


@dataclass(slots=True)
class _Group:
    """Names that share one label or one duty."""

    names: list[_Name]
    lead: bool = False
    standing: bool = False
    closed: bool = False


def is_body_name(name: str, *, places: bool = False) -> bool:
    """Return whether a name ends as names of bodies do.

    Parameters
    ----------
    name : str
        Name in folded form, without 等 and duty words.
    places : bool
        Whether a bare place (胶州市) and loose endings count, as they do within a list.

    Examples
    --------
    >>> [is_body_name(name) for name in ("省发展改革委", "国网省电力公司", "各区(市)", "试行", "施工单位", "莱西市")]
    [True, True, True, False, False, False]
    >>> is_body_name("莱西市", places=True)
    True
    """
    if not 2 <= len(name) <= 45 or _GENERIC.search(name) or "《" in name or '"' in name:
        return False
    if _STRONG.search(name) or (_COLLECTIVE.match(name) and _COLLECTIVE_END.search(name)):
        return True
    return places and bool(_PLACE.search(name) or _WEAK_END.search(name))


def _pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """Stretches between separators outside of inner brackets and titles, each with the separator before it."""
    depth, start, before = 0, 0, ""
    for place, letter in enumerate(text):
        if letter in "([《<":
            depth += 1
        elif letter in ")]》>":
            depth = max(0, depth - 1)
        elif depth == 0 and letter in _SEPARATORS:
            yield start, place, before
            start, before = place + 1, letter
    yield start, len(text), before


def _is_listed(name: str, known: Collection[str]) -> bool:
    return name in known or is_body_name(name, places=True)


def _cut(text: str, start: int, end: int, known: Collection[str]) -> list[tuple[int, int, Origin]]:
    """Cut a stretch without separators at 和, 及, 会同 and where two names run together."""
    words = text[start:end]
    core = words[: len(words) - len(_tail(words))]
    cuts: list[tuple[int, int, Origin]] = []
    begin = 0
    for found in _JOINT.finditer(words):
        left, right = words[begin : found.start()], core[found.end() :]
        if len(left) < 2 or len(right) < 2 or left.count("(") != left.count(")"):
            continue
        if is_body_name(left) and _is_listed(right, ()):
            origin = Origin.GRAMMAR
        elif left in known or (right in known and left not in known and _is_listed(left, known)):
            origin = Origin.LEXICON
        else:
            continue
        cuts.append((found.start(), found.end(), origin))
        begin = found.end()
    cuts += [(found.start(), found.end(), Origin.GRAMMAR) for found in _ETC_AND.finditer(words)]
    for pattern in (_RUN_ON, _ROLE_BREAK):
        cuts += [(found.start(), found.start(), Origin.GRAMMAR) for found in pattern.finditer(words)]
    cuts.sort()
    pieces, place = [], 0
    before = Origin.GRAMMAR
    for left_end, right_start, origin in cuts:
        if left_end > place:
            pieces.append((start + place, start + left_end, before if before is Origin.LEXICON else origin))
            place, before = right_start, origin
    pieces.append((start + place, end, before))
    if len(pieces) > 1 and core in known:
        return [(start, end, Origin.LEXICON)]
    return pieces


def _tail(words: str) -> str:
    found = _TAIL.search(words)
    return found.group() if found else ""


def _trim(text: str, start: int, end: int) -> tuple[int, int, str]:
    """Bounds of a name within its stretch, and the words of duty behind it."""
    while found := _PREFIX.match(text[start:end]):
        start += found.end()
    tail = _tail(text[start:end])
    end -= len(tail)
    if found := _NOTE_IN_BRACKET.search(text[start:end]):
        end = start + found.start()
    if found := _ROLE_IN_BRACKET.search(text[start:end]):
        end = start + found.start()
        tail = found["role"] + tail
    return start, end, tail


def _groups(text: str, known: Collection[str]) -> tuple[list[_Group], bool, bool]:
    """Names by label and duty, in order; whether a label and a duty were met."""
    groups = [_Group([])]
    labelled = duty = False
    foreign = False
    for piece_start, end, separator in _pieces(text):
        start = piece_start
        if separator and separator in "。;":
            groups.append(_Group([]))
        if found := _LABEL.search(text[start:end]):
            labelled = True
            lead = bool(_LEADS.search(found.group())) and not _HELPS.search(found.group())
            start += found.end()
            groups.append(_Group([], lead=lead))
            foreign = False
        elif _OTHER_LABEL.match(text[start:end]):
            foreign = True
        if foreign:
            continue
        piece = text[start:end]
        if piece and _STANDING_WORD.search(piece) and _STANDING.match(piece):
            last = next((group for group in reversed(groups) if group.names), None)
            if last is not None:
                last.standing = True
            continue
        if (found := _STANDING_OPEN.match(piece)) and len(piece) > found.end():
            start += found.end()
            groups.append(_Group([], standing=True))
        for left, right, origin in _cut(text, start, end, known):
            name_start, name_end, tail = _trim(text, left, right)
            if groups[-1].closed:
                groups.append(_Group([], standing=groups[-1].standing and separator != ";"))
            name = text[name_start:name_end]
            if len(name) >= 2 and not _GENERIC.match(name) and not _NOT_NAME.search(name):
                by = origin if _is_listed(name, ()) or name not in known else Origin.LEXICON
                groups[-1].names.append(_Name(name_start, name_end, by))
            if tail and _DUTY_WORD.search(tail):
                duty = True
                groups[-1].closed = True
                groups[-1].lead = groups[-1].lead or "牵头" in tail or "主办" in tail
    return groups, labelled, duty


def _join_compounds(names: list[_Name], text: str) -> list[_Name]:
    """Make one of 各市、县（区）人民政府, which names one kind of body at several levels."""
    out: list[_Name] = []
    for name in names:
        if (
            out
            and name.start == out[-1].end + 1
            and text[out[-1].end] == "、"
            and _COMPOUND_FIRST.match(text[out[-1].start : out[-1].end].split("、", maxsplit=1)[0])
            and _COMPOUND_NEXT.match(text[name.start : name.end])
        ):
            out[-1] = _Name(out[-1].start, name.end, out[-1].origin)
        else:
            out.append(name)
    return out


def read_bodies(text: str, plain: str | None = None, *, known: Collection[str] = ()) -> NamedBodies:
    """Return the bodies that the inside of a bracket, a table cell or a signature names.

    Parameters
    ----------
    text : str
        Words in folded form, without the bracket.
    plain : str, optional
        The same words as written, equally long; names are cut from it.
    known : collection of str
        Names and aliases of the catalog, in folded form; they decide doubtful cuts.

    Examples
    --------
    >>> named = read_bodies("省住房和城乡建设厅牵头,省发展改革委、各市(州)政府等配合")
    >>> named.bodies, named.leads
    (('省住房和城乡建设厅', '省发展改革委', '各市(州)政府'), ('省住房和城乡建设厅',))
    >>> read_bodies("市住建局和市财政局按职责分工负责").bodies
    ('市住建局', '市财政局')
    >>> read_bodies("省水利厅负责,各市、县政府落实,下同,不再列出").standing
    ('各市、县政府',)
    """
    plain = text if plain is None else plain
    text = text.translate(_ANGLES)
    groups, labelled, duty = _groups(text, known)
    bodies: dict[str, Origin] = {}
    leads: list[str] = []
    standing: list[str] = []
    sure = 0
    filled = [group for group in groups if group.names]
    for group in filled:
        group.names = _join_compounds(group.names, text)
        written = [plain[name.start : name.end] for name in group.names]
        for name, words in zip(group.names, written, strict=True):
            if words not in bodies:
                bodies[words] = name.origin
                folded = text[name.start : name.end]
                sure += folded in known or is_body_name(folded)
        if group.lead:
            leads += written
        if group.standing:
            collective = [words for words in written if words.startswith("各")]
            standing += collective if collective and len(filled) == 1 else written
    return NamedBodies(
        bodies=tuple(bodies),
        leads=tuple(dict.fromkeys(leads)),
        origins=tuple(bodies.values()),
        standing=tuple(dict.fromkeys(standing)),
        labelled=labelled,
        duty=duty,
        sure=sure,
    )


def join_named(parts: Sequence[NamedBodies]) -> NamedBodies:
    """Return several lists as one, each body once.

    Examples
    --------
    >>> join_named([read_bodies("市住建局、市水务局"), read_bodies("市水务局、市教育局")]).bodies
    ('市住建局', '市水务局', '市教育局')
    """
    origins = {
        body: origin for named in reversed(parts) for body, origin in zip(named.bodies, named.origins, strict=True)
    }
    order = dict.fromkeys(body for named in parts for body in named.bodies)
    return NamedBodies(
        bodies=tuple(order),
        leads=tuple(dict.fromkeys(body for named in parts for body in named.leads)),
        origins=tuple(origins[body] for body in order),
        standing=tuple(dict.fromkeys(body for named in parts for body in named.standing)),
        labelled=any(named.labelled for named in parts),
        duty=any(named.duty for named in parts),
        sure=sum(named.sure for named in parts),
    )
