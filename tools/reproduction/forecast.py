"""How long the rest takes, from what has been trained so far."""


def as_text(seconds):
    hours, minutes = divmod(int(seconds + 30) // 60, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


class Forecast:
    """`finished`: [(unit, seconds)]. Time goes with the work of a step; the networks are taken to
    need as many epochs as those that are done, on the average."""

    def __init__(self, finished):
        self.work = sum(unit.work for unit, _ in finished)
        self.seconds = sum(seconds for _, seconds in finished)

    def add(self, unit, seconds):
        self.work += unit.work
        self.seconds += seconds

    def of(self, units):
        """Seconds for `units`; None while nothing has been measured."""
        if self.work == 0:
            return None
        return self.seconds / self.work * sum(unit.work for unit in units)


def upper_bound(unit, units, epoch_seconds, epochs):
    """Seconds for `units` if none stops early, from one epoch of `unit`."""
    return epoch_seconds / unit.work * epochs * sum(other.work for other in units)
