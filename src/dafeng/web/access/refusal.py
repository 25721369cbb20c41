"""A refusal of a service: what stands against it, in words that a page shows."""

from __future__ import annotations

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """Something cannot be done as things stand.

    Parameters
    ----------
    code : str
        Stable name, as `grant.to-oneself`.
    says : str
        What stands against it and what to do, in the language of the page.

    Examples
    --------
    >>> str(RefusedError("grant.to-oneself", "不能给自己授权。"))
    '不能给自己授权。'
    """

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code
        self.says = says
