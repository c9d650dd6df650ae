"""Batches: everything once, large files first, none too big; the same every time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from walrus_fast.transfer.plan import plan_batches
from walrus_fast.transfer.task import TransferItem

LARGE = 16 << 20
MOST = 256
sizes = st.lists(st.one_of(st.integers(0, 100), st.integers(0, 3 * LARGE), st.just(LARGE)), max_size=600)


def items(given_sizes: list[int]) -> list[TransferItem]:
    return [TransferItem(f"/file{index}", None, size) for index, size in enumerate(given_sizes)]


@given(sizes)
def test_every_item_is_in_exactly_one_batch(given_sizes: list[int]) -> None:
    batches = plan_batches(items(given_sizes))
    assert sorted(index for batch in batches for index in batch) == list(range(len(given_sizes)))
    assert all(batches)


@given(sizes)
def test_large_ones_first_and_ties_in_order(given_sizes: list[int]) -> None:
    order = [index for batch in plan_batches(items(given_sizes)) for index in batch]
    assert order == sorted(order, key=lambda index: (-given_sizes[index], index))


@given(sizes)
def test_a_batch_is_small_unless_it_is_one_file(given_sizes: list[int]) -> None:
    for batch in plan_batches(items(given_sizes)):
        assert len(batch) <= MOST
        assert len(batch) == 1 or sum(given_sizes[index] for index in batch) <= LARGE


def test_many_small_files_need_few_batches() -> None:
    assert len(plan_batches(items([1000] * 1000))) == 4
