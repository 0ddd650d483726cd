import numpy as np
from bench.runtime.agreement import Agreement, compare


def test_agreement_counts_best_classes_and_finds_the_largest_difference() -> None:
    exact = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])
    fast = np.array([[1.0, 3.5, 2.0], [4.0, 4.25, 0.0]])
    assert compare(exact, fast) == Agreement(images=2, top1=0.5, largest_difference=1.0, spread=5.0)
