"""Numbers as version 7's models take them: whole milliseconds; loss from what was sent and received."""


def whole(value: float | None) -> int | None:
    """Rounded; a value below zero stands for "did not happen" (HAR), and is left out."""
    return None if value is None or value < 0 else round(value)


def loss_percent(sent: int | None, received: int | None) -> float | None:
    """Percent of the packets that did not come back; None: nothing was sent, or it is not known."""
    if not sent or received is None:
        return None
    # More answers than questions (duplicates) are no loss.
    return round(max(0, sent - received) / sent * 100, 3)
