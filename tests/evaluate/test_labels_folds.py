import numpy as np
import pytest

from pixmill.evaluate.labels_folds import FEWEST, fold_numbers, held_out_probabilities, reduced

CHANCE = np.random.default_rng(5)


def test_a_group_is_never_divided_and_classes_are_spread_evenly():
    groups = [f"{CHANCE.integers(2**40):x}" for _ in range(300)]
    groups[10:13] = [groups[10]] * 3
    targets = np.arange(300) % 3
    targets[10:13] = [0, 1, 2]
    folds = fold_numbers(targets, groups)
    assert len(set(folds[10:13])) == 1
    assert set(folds) == set(range(5))
    for target in range(3):
        counts = np.bincount(folds[targets == target], minlength=5)
        assert counts.max() - counts.min() <= 3


def test_folds_follow_from_groups_and_not_from_their_order():
    groups = [f"{CHANCE.integers(2**40):x}" for _ in range(50)]
    targets = np.arange(50) % 2
    order = CHANCE.permutation(50)
    again = fold_numbers(targets[order], [groups[place] for place in order])
    assert again.tolist() == fold_numbers(targets, groups)[order].tolist()


def test_the_smallest_class_is_learnt_in_every_fold():
    targets = np.array([0] * FEWEST + [1] * 200)
    folds = fold_numbers(targets, [f"{CHANCE.integers(2**40):x}" for _ in targets])
    assert all((targets[folds != fold] == 0).sum() >= FEWEST // 2 for fold in range(5))


def test_no_picture_is_judged_by_a_model_that_knows_it_or_its_near_duplicates():
    # Features that say nothing but which group a picture is of: who knows the group knows the label.
    group_of = np.arange(1000) // 50
    targets = np.arange(20)[group_of] % 2
    features = np.eye(20, dtype=np.float32)[group_of]
    together = held_out_probabilities(features, targets, [f"{group:02}" for group in group_of], 2, threads=2)
    apart = held_out_probabilities(features, targets, [f"{place:04}" for place in range(1000)], 2, threads=2)
    assert np.mean(together.argmax(axis=1) == targets) < 0.75
    assert np.mean(apart.argmax(axis=1) == targets) > 0.9


def test_probabilities_sum_to_one_and_are_the_same_each_time():
    features = CHANCE.normal(size=(90, 7)).astype(np.float32)
    targets = np.arange(90) % 3
    features[:, 0] += targets
    groups = [f"{place:02}" for place in range(90)]
    found = held_out_probabilities(features, targets, groups, 3, threads=1)
    assert found.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(found, held_out_probabilities(features, targets, groups, 3, threads=1))


def test_the_directions_keep_distances_and_a_constant_feature_adds_nothing():
    features = CHANCE.normal(size=(40, 6)).astype(np.float32) * [1, 2, 3, 4, 5, 6] + 100
    alone = reduced(features.astype(np.float32))
    beside = reduced(np.column_stack([features, np.full(40, 7)]).astype(np.float32))
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    for found in (alone, beside):
        assert np.linalg.norm(found[3] - found[9]) == pytest.approx(np.linalg.norm(standard[3] - standard[9]), rel=1e-4)


def test_many_features_become_few():
    assert reduced(CHANCE.normal(size=(300, 400)).astype(np.float32)).shape == (300, 128)
