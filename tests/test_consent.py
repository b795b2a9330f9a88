"""What a consent string says."""

from hypothesis import given
from hypothesis import strategies as st

from unspoken.consent import allows, purposes

WORDS = st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=1, max_size=12)


def test_the_purposes_stand_behind_the_version():
    assert purposes("2026-10:service,analytics,training") == frozenset({"service", "analytics", "training"})


def test_a_version_alone_agrees_to_nothing_and_silence_says_nothing():
    assert purposes("2026-10") == frozenset()
    assert purposes("2026-10:") == frozenset()
    assert purposes(None) is None


@given(st.lists(WORDS, max_size=6), st.sampled_from(["2026-10", "v1", "2026-10-01T12:00:00Z", ""]))
def test_spaces_case_and_colons_of_the_version_change_nothing(names, version):
    said = ", ".join(name.upper() for name in names)
    assert purposes(f"{version}:{said}") == frozenset(names)


def test_silence_is_agreement_only_where_the_project_takes_it_so():
    assert allows(None, "training", assumed=True)
    assert not allows(None, "training", assumed=False)


@given(st.booleans())
def test_what_was_said_counts_whatever_the_project_assumes(assumed):
    assert allows("1:service,training", "training", assumed=assumed)
    assert not allows("1:service", "training", assumed=assumed)
    assert not allows("1:no-training,trainings", "training", assumed=assumed)
