"""Self-check against controls of GB/T 22239-2019, level 3: what the platform itself can prove, and what it cannot.

Clause numbers are those of the standard; titles are in our own words. B: numbers well known, not read against the text here (待核).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db import connection
from django.db.models import Count, Q

from dafeng.web.access.actions import Role
from dafeng.web.audit.anchors import noted_anchors
from dafeng.web.audit.services import verify_chain
from dafeng.web.house import house
from dafeng.web.operation.last_backup import last_backup
from dafeng.web.people.models import ApiToken, Grant, User

__all__ = ["Control", "check_controls"]

Result = Literal["pass", "fail", "unknown"]
_OLDEST_BACKUP: Final = timedelta(days=7)
_GUESSES: Final = ("admin", "123456", "password", "admin123", "Admin@123", "dafeng", "Passw0rd!")
_UNUSED: Final = timedelta(days=180)


@dataclass(frozen=True)
class Control:
    """A control and what became of checking it.

    Attributes
    ----------
    clause : str
        Clause of GB/T 22239-2019.
    title : str
    result : str
        pass, fail, unknown.
    says : str
        On what that rests.
    then : str
        What to do.
    """

    clause: str
    title: str
    result: Result
    says: str
    then: str = ""


_Answer = tuple[Result, str, str]


def _judge(holds: bool, says: str, then: str) -> _Answer:
    return ("pass", says, "") if holds else ("fail", says, then)


def _passwords(now: datetime) -> _Answer:
    validators: list[dict[str, Any]] = list(settings.AUTH_PASSWORD_VALIDATORS)  # type: ignore[arg-type]
    lengths = [one.get("OPTIONS", {}).get("min_length", 0) for one in validators]
    kinds = any("ThreeKinds" in one["NAME"] for one in validators)
    return _judge(max(lengths) >= 8 and kinds, f"口令至少{max(lengths)}位，至少三类字符", "恢复口令规则")


def _guessable(now: datetime) -> _Answer:
    weak = [
        one.username
        for one in User.objects.filter(is_active=True, username__in=["admin", "root", "test", "administrator"])
        if any(check_password(guess, one.password) for guess in (*_GUESSES, one.username))
    ]
    return _judge(not weak, "没有默认账号用常见口令" if not weak else f"口令可猜：{'、'.join(weak)}", "立即改口令")


def _lock_out(now: datetime) -> _Answer:
    limit = int(settings.AXES_FAILURE_LIMIT)
    return _judge(0 < limit <= 10, f"连续失败{limit}次锁定", "DAFENG_SIGN_IN_ATTEMPTS 设为 10 以内")


def _session(now: datetime) -> _Answer:
    minutes = settings.SESSION_IDLE_SECONDS // 60
    return _judge(
        0 < minutes <= 30, f"闲置{minutes}分钟退出，最长{settings.SESSION_COOKIE_AGE // 3600}小时", "缩短会话"
    )


def _https(now: datetime) -> _Answer:
    secure = bool(settings.SESSION_COOKIE_SECURE and settings.SECURE_HSTS_SECONDS)
    return _judge(
        secure, "已按 HTTPS 运行" if secure else "没有声明 HTTPS", "置于 HTTPS 反向代理之后，设 DAFENG_HTTPS=1"
    )


def _second_factor(now: datetime) -> _Answer:
    lacking = (
        User.objects.filter(
            is_active=True, needs_second_factor=False, grants__role=Role.ADMINISTRATOR, grants__revoked_at__isnull=True
        )
        .distinct()
        .count()
    )
    return _judge(not lacking, f"{lacking} 名管理员未要求动态口令", "在“人员”页要求动态口令")


def _separate(now: datetime) -> _Answer:
    mixed = (
        User.objects.annotate(
            rules=Count("grants", filter=Q(grants__role=Role.ADMINISTRATOR, grants__revoked_at__isnull=True)),
            audits=Count("grants", filter=Q(grants__role=Role.AUDITOR, grants__revoked_at__isnull=True)),
        )
        .filter(rules__gt=0, audits__gt=0)
        .count()
    )
    return _judge(not mixed, f"{mixed} 人同时是管理员和审计员", "管理员和审计员分设")


def _auditors(now: datetime) -> _Answer:
    there = Grant.objects.filter(role=Role.AUDITOR, revoked_at__isnull=True, user__is_active=True).exists()
    return _judge(there, "有审计员" if there else "没有审计员", "授予一人审计员")


def _unused(now: datetime) -> _Answer:
    rows = User.objects.filter(is_active=True, created_at__lt=now - _UNUSED, password_set_at__isnull=True)
    return _judge(not rows.exists(), f"{rows.count()} 个账号半年没有启用过", "停用多余账号")


def _tokens(now: datetime) -> _Answer:
    rows = ApiToken.objects.filter(revoked_at__isnull=True, expires_at__gt=now + timedelta(days=400))
    return _judge(not rows.exists(), f"{rows.count()} 个令牌有效期超过一年", "撤销后换短期令牌")


def _audit(now: datetime) -> _Answer:
    fault = next(iter(verify_chain(anchors=noted_anchors())), None)
    return _judge(fault is None, "审计日志整链核验无误" if fault is None else fault.says, "保护现场，用备份比对")


def _triggers(now: datetime) -> _Answer:
    names = (
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit_no_%%'"
        if connection.vendor == "postgresql"
        else "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_no_%%'"
    )
    with connection.cursor() as cursor:
        cursor.execute(names, [])
        found = int(cursor.fetchone()[0])
    return _judge(found >= 2, f"审计表有{found}个拒绝改删的触发器", "`dafeng web migrate`；查明谁去掉的")


def _backup(now: datetime) -> _Answer:
    made = last_backup(house().root)
    if made is None:
        return "fail", "没有备份记录", "`dafeng web backup 文件 --verify`，并异地保存"
    age = now - made
    return _judge(age <= _OLDEST_BACKUP, f"上次备份 {made:%Y-%m-%d}", "至少每周备份一次")


def _secret_file(now: datetime) -> _Answer:
    paths = [path for name in ("web.secret", "web.sqlite3") if (path := Path(house().root) / name).exists()]
    open_to_others = [path.name for path in paths if path.stat().st_mode & 0o077]
    return _judge(
        not open_to_others,
        "密钥和数据库文件仅属主可读" if not open_to_others else f"他人可读：{'、'.join(open_to_others)}",
        "chmod 600",
    )


_CONTROLS: Final[tuple[tuple[str, str, Callable[[datetime], _Answer]], ...]] = (
    ("8.1.4.1 a)", "口令复杂度", _passwords),
    ("8.1.4.1 b)", "登录失败锁定", _lock_out),
    ("8.1.4.1 b)", "会话超时退出", _session),
    ("8.1.4.1 c)", "传输中鉴别信息不被窃听", _https),
    ("8.1.4.1 d)", "管理员用两种鉴别方式", _second_factor),
    ("8.1.4.2 b)", "没有默认口令", _guessable),
    ("8.1.4.2 c)", "及时停用多余账号", _unused),
    ("8.1.4.2 d)", "管理与审计权限分离", _separate),
    ("8.1.4.2 d)", "接口令牌限期", _tokens),
    ("8.1.4.3 a)", "设有审计员", _auditors),
    ("8.1.4.3 c)", "审计记录不被删改：整链核验", _audit),
    ("8.1.4.3 c)", "审计记录不被删改：数据库拒绝", _triggers),
    ("8.1.4.8", "密钥和数据文件的保密", _secret_file),
    ("8.1.4.9 a)", "备份与恢复", _backup),
)
_BY_HAND: Final = (
    ("8.1.4.4", "主机最小安装、端口关闭、补丁", "由主机管理员核实"),
    ("8.1.4.5", "恶意代码防范：上传文件扫描", "在主机或网关上配置扫描"),
    ("8.1.4.9 b)", "异地备份", "把备份文件定期送到异地，并演练恢复"),
    ("8.1.4.11", "个人信息最少采集", "核实账号资料只有姓名、单位、联系方式"),
)


def check_controls(now: datetime) -> Iterator[Control]:
    """Yield every control with what became of checking it."""
    for clause, title, check in _CONTROLS:
        result, says, then = check(now)
        yield Control(clause, title, result, says, then)
    for clause, title, then in _BY_HAND:
        yield Control(clause, title, "unknown", "平台自己看不到", then)
