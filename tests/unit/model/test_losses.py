"""Each equation against NumPy that follows the formula term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.model import losses


def random_batch(seed: int, b: int, t: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(b, t, 2, generator=generator) * 3
    targets = torch.randint(0, 2, (b, t), generator=generator)
    positions = torch.rand(b, t, generator=generator) < 0.6
    return logits, targets, positions


def slow_position_loss(logits: np.ndarray, targets: np.ndarray, positions: np.ndarray, count: float) -> float:
    total = 0.0
    for b in range(logits.shape[0]):
        for t in range(logits.shape[1]):
            if positions[b, t]:
                no, yes = (float(x) for x in logits[b, t])
                chosen = yes if targets[b, t] else no
                total -= chosen - math.log(math.exp(no) + math.exp(yes))
    return total / count


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 7), st.floats(1, 100))
@settings(max_examples=50, deadline=None)
def test_eq3_to_5_against_the_formula(seed: int, b: int, t: int, count: float) -> None:
    start, start_targets, positions = random_batch(seed, b, t)
    end, end_targets, _ = random_batch(seed + 1, b, t)
    expected_start = slow_position_loss(start.numpy(), start_targets.numpy(), positions.numpy(), count)
    expected_end = slow_position_loss(end.numpy(), end_targets.numpy(), positions.numpy(), count)
    assert losses.start_loss(start, start_targets, positions, count).item() == pytest.approx(
        expected_start, rel=1e-4, abs=1e-6
    )
    assert losses.end_loss(end, end_targets, positions, count).item() == pytest.approx(expected_end, rel=1e-4, abs=1e-6)
    total = losses.span_loss(start, end, start_targets, end_targets, positions, count).item()
    assert total == pytest.approx(expected_start + expected_end, rel=1e-4, abs=1e-6)


def test_eq1_2_probability_of_yes() -> None:
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, 5.0]]])
    assert losses.span_probabilities(logits).tolist() == [[pytest.approx(0.75), pytest.approx(0.5)]]
    assert losses.span_probabilities(logits.bfloat16()).dtype == torch.float32


def test_masked_positions_add_nothing_even_where_they_are_infinite() -> None:
    logits = torch.tensor([[[0.0, 0.0], [torch.inf, -torch.inf]]], requires_grad=True)
    targets, positions = torch.tensor([[1, 1]]), torch.tensor([[True, False]])
    assert losses.start_loss(logits, targets, positions, 1).item() == pytest.approx(math.log(2))


def test_micro_batches_give_the_gradient_of_the_whole() -> None:
    logits, targets, positions = random_batch(3, 6, 5)
    count = float(positions.sum())
    whole = logits.clone().requires_grad_()
    losses.span_loss(whole, whole, targets, targets, positions, count).backward()
    parts = logits.clone().requires_grad_()
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        losses.span_loss(parts[rows], parts[rows], targets[rows], targets[rows], positions[rows], count).backward()
    assert torch.allclose(whole.grad, parts.grad, atol=1e-7)  # type: ignore[arg-type]


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 9), st.integers(0, 12))
@settings(max_examples=50, deadline=None)
def test_eq6_sum_over_the_tokens_of_each_entity(seed: int, b: int, t: int, e: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(b, t, 3)).astype(np.float32)
    example = rng.integers(0, b, e)
    start = rng.integers(0, t, e)
    end = np.array([rng.integers(s, t) for s in start], dtype=np.int64)
    given_hidden = torch.tensor(hidden, requires_grad=True)
    found = losses.entity_embeddings(
        given_hidden, torch.tensor(example), torch.tensor(start), torch.tensor(end, dtype=torch.int64)
    )
    expected = [hidden[x, s : f + 1].sum(0) for x, s, f in zip(example, start, end, strict=True)]
    assert found.shape == (e, 3)
    if e:
        np.testing.assert_allclose(found.detach().numpy(), np.stack(expected), rtol=1e-5, atol=1e-5)
    found.sum().backward()
    covered = np.zeros((b, t, 1))
    for x, s, f in zip(example, start, end, strict=True):
        covered[x, s : f + 1] += 1
    np.testing.assert_array_equal(given_hidden.grad.numpy(), np.broadcast_to(covered, hidden.shape))  # type: ignore[union-attr]


def test_eq6_accumulates_in_float32() -> None:
    hidden = torch.full((1, 300, 1), 1.0, dtype=torch.bfloat16)
    zero = torch.tensor([0])
    # bfloat16 counts 1 + 1 + ... to 256 and stays there.
    assert losses.entity_embeddings(hidden, zero, zero, torch.tensor([299])).item() == 300.0


@given(st.integers(0, 10_000), st.integers(0, 9), st.integers(1, 6), st.floats(1, 50))
@settings(max_examples=50, deadline=None)
def test_eq7_8_against_the_formula(seed: int, e: int, k: int, count: float) -> None:
    rng = np.random.default_rng(seed)
    logits, weights = rng.normal(size=(e, k)), rng.random(k)
    cluster = rng.integers(0, k, e)
    expected = 0.0
    for i in range(e):
        expected -= weights[cluster[i]] * math.log(math.exp(logits[i, cluster[i]]) / np.exp(logits[i]).sum()) / count
    given_logits = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    loss = losses.cluster_loss(given_logits, torch.tensor(cluster), torch.tensor(weights), count)
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    loss.backward()
    assert given_logits.grad is not None


def test_eq8_keeps_the_weight_of_a_batch_of_one_cluster() -> None:
    logits, cluster = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
    light = losses.cluster_loss(logits, cluster, torch.tensor([0.1, 0.9]), 4)
    heavy = losses.cluster_loss(logits, cluster, torch.tensor([0.8, 0.2]), 4)
    assert heavy.item() == pytest.approx(8 * light.item())


@given(st.lists(st.floats(0.5, 50), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_eq10_against_the_formula(spread: list[float]) -> None:
    variances = np.array(spread)
    floored = np.maximum(variances, losses.VARIANCE_FLOOR * variances.mean())
    expected = np.exp(1 / floored) / np.exp(1 / floored).sum()
    found = losses.cluster_weights(torch.tensor(variances), torch.ones(len(spread)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1e12), st.integers(0, 3)), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_eq10_is_a_distribution_that_favours_tight_clusters(given_clusters: list[tuple[float, int]]) -> None:
    variances = torch.tensor([v if size else 0.0 for v, size in given_clusters], dtype=torch.float64)
    sizes = torch.tensor([size for _, size in given_clusters])
    if not sizes.any():
        with pytest.raises(ValueError, match="no cluster"):
            losses.cluster_weights(variances, sizes)
        return
    weights = losses.cluster_weights(variances, sizes)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights[sizes == 0] == 0).all()
    filled = sizes > 0
    by_variance = weights[filled][variances[filled].argsort()]
    assert (by_variance.diff() <= 1e-12).all()


def test_eq10_where_the_equation_does_not_say() -> None:
    # The mean variance of the two filled clusters is 5: the cluster of one member counts as 0.5, the floor.
    one_member = losses.cluster_weights(torch.tensor([0.0, 10.0, 0.0]), torch.tensor([1, 9, 0]))
    tight, wide = math.exp(1 / 0.5), math.exp(1 / 10)
    assert one_member.tolist() == pytest.approx([tight / (tight + wide), wide / (tight + wide), 0])
    assert losses.cluster_weights(torch.zeros(3), torch.tensor([2, 1, 0])).tolist() == [0.5, 0.5, 0]
    # exp(1 / V) overflows here; the softmax must not.
    assert losses.cluster_weights(torch.tensor([1e-9, 1e-9]), torch.ones(2)).tolist() == [0.5, 0.5]


def test_total_loss() -> None:
    assert losses.total_loss(torch.tensor(2.0), torch.tensor(30.0), 0.1).item() == pytest.approx(5)
