"""The errors of the corpus builder: one sentence each, shown without a traceback."""


class CorpusError(Exception):
    """The work failed (exit status 1)."""


class CallError(CorpusError):
    """The call was wrong (exit status 2)."""
