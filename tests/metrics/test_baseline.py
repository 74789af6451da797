import numpy as np

from pixmill.metrics import majority_accuracy


def test_the_majority_is_that_of_the_training_part():
    training, actual = np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])
    assert majority_accuracy(training, actual) == 0.25


def test_of_equally_frequent_classes_the_first_counts():
    assert majority_accuracy(np.array([2, 2, 1, 1]), np.array([1, 1, 2])) == 2 / 3
