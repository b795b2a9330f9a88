"""What a person agreed to, as events carry it: `2026-10:service,analytics,training` is a version and its purposes."""

TRAINING = "training"
ANALYTICS = "analytics"


def purposes(consent: str | None) -> frozenset[str] | None:
    """The purposes agreed to, in lower case; none where only a version is named; None where nothing was said at all."""
    if consent is None:
        return None
    _, _, named = consent.rpartition(":") if ":" in consent else ("", "", "")
    return frozenset(purpose.strip().lower() for purpose in named.split(",")) - {""}


def allows(consent: str | None, purpose: str, *, assumed: bool) -> bool:
    """Whether data with this consent may be used for the purpose.

    `assumed`: the project takes silence for agreement (its rule consent = "assumed"). What was said always counts.
    """
    agreed = purposes(consent)
    return assumed if agreed is None else purpose in agreed
