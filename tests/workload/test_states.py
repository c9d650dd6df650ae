"""`expected` is what follows from `operations`."""

from __future__ import annotations

from workload.states import (
    FAMILIES,
    Delete,
    Plan,
    Put,
    blob_value,
    churn_families,
    churn_name,
    churn_written,
    expected,
    operations,
)

STEPS = 4700  # every slot is overwritten twice; BLOB_EVERY * BLOB_SLOTS = 2048
CHECKED = {0, 1, 2, 15, 16, 99, 100, 499, 500, 501, 700, 701, 999, 1000, 1024, 1500, 2048, 2064, 4111, STEPS}


def fold(plan: Plan, step: int, content: dict[str, dict[bytes, bytes]]) -> None:
    """Apply one step to a dictionary per family."""
    for operation in operations(plan, step):
        family = content.setdefault(operation.family, {})
        if isinstance(operation, Put):
            family[operation.key] = operation.value
        elif isinstance(operation, Delete):
            family.pop(operation.key, None)
        else:
            for key in [key for key in family if operation.begin <= key < operation.end]:
                del family[key]


def test_expected_is_the_sum_of_the_operations() -> None:
    plan = Plan(seed=11, value_scale=0.5, churn_every=60)
    content: dict[str, dict[bytes, bytes]] = {name: {} for name in FAMILIES}
    for step in range(STEPS + 1):
        if step:
            fold(plan, step, content)
        if step not in CHECKED and step % 61:
            continue
        churn = [churn_name(born) for born in churn_written(plan, step)]
        for family in (*FAMILIES, *churn):
            assert list(expected(plan, family, step)) == sorted(content[family].items()), (family, step)


def test_a_churn_family_lives_two_and_a_half_periods() -> None:
    plan = Plan(seed=1, churn_every=10)
    written = {step: churn_written(plan, step) for step in range(1, 100)}
    assert [step for step, births in written.items() if 30 in births] == list(range(31, 56))
    assert churn_families(plan, 30) == (frozenset({10, 20}), frozenset({10, 20, 30}))
    assert churn_families(plan, 31) == (frozenset({10, 20, 30}), frozenset({10, 20, 30}))
    assert churn_families(plan, 55) == (frozenset({40, 50}), frozenset({30, 40, 50}))
    assert churn_families(plan, 56) == (frozenset({40, 50}), frozenset({40, 50}))
    assert not list(expected(plan, "churn_30", 30))
    assert list(expected(plan, "churn_30", 55)) == [(b"counter", b"55"), (b"since", b"31")]


def test_the_seed_decides_every_value() -> None:
    for family in ("overwritten", "blobs", "appended", "default"):
        one, same, other = (list(expected(Plan(seed), family, 2000)) for seed in (1, 1, 2))
        assert one == same != other


def test_blob_values_have_the_promised_size() -> None:
    sizes = [len(blob_value(Plan(3), step)) for step in range(16, 16 * 500, 16)]
    assert 2 << 10 <= min(sizes) < 4 << 10
    assert 30 << 10 < max(sizes) <= (32 << 10) + 8


def test_a_plan_survives_its_encoding() -> None:
    plan = Plan(seed=9, value_scale=2.5, churn_every=7)
    assert Plan.decode(plan.encode()) == plan
