"""What a staff action would do to each of the selected objects, before it is confirmed."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from videostudio.core.admin_actions import ConfirmedAction

OVER_LIMIT = "would exceed your limit"


class PreviewRow(NamedTuple):
    object: Any
    refusal: str
    summary: str
    token_change: int


def preview(objects: list[Any], action: "ConfirmedAction", actor: Any) -> list[PreviewRow]:
    """In the order of execution: a small change may fit after a large one was over the limit."""
    rows, left = [], action.tokens_left(actor)
    for obj, refusal in zip(objects, action.refusals(objects, actor), strict=True):
        change = 0 if refusal else action.token_change(obj)
        if left is not None and change > left:
            refusal, change = OVER_LIMIT, 0
        elif left is not None:
            left -= change
        rows.append(PreviewRow(obj, refusal, "" if refusal else action.summary(obj), change))
    return rows
