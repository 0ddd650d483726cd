from dataclasses import asdict

from mooring_runtime.model_config import config_of
from mooring_runtime.registry.servable import ModelMetadata, TensorMetadata
from mooring_runtime.telemetry.statistics import ModelStatistics, Statistics, Tally, merged, statistics_of


def test_requests_are_counted_by_how_they_ended() -> None:
    statistics = Statistics()
    statistics.ended("m", True, 0.5, now_s=1.0)
    statistics.ended("m", True, 0.25, now_s=2.0)
    statistics.ended("m", False, 1.0, now_s=3.0)
    assert statistics.of("m") == ModelStatistics(Tally(2, 750_000_000), Tally(1, 10**9), 2000, rows=2, batches=2)
    assert statistics.of("other") == ModelStatistics()


def test_a_lane_tells_of_its_batches_itself() -> None:
    statistics = Statistics()
    statistics.has_lane("m")
    statistics.ran("m", 8)
    statistics.ended("m", True, 0, now_s=1.0)
    statistics.ended("m", True, 0, now_s=1.0)
    assert (statistics.of("m").rows, statistics.of("m").batches, statistics.of("m").success.count) == (8, 1, 2)


def test_a_declaration_is_told_in_triton_s_words() -> None:
    metadata = ModelMetadata("p", (TensorMetadata("x", "BYTES", (-1,)),), (TensorMetadata("y", "BF16", (-1, 2)),))
    assert config_of("m", metadata) == {
        "name": "m",
        "platform": "p",
        "max_batch_size": 0,
        "input": [{"name": "x", "data_type": "TYPE_STRING", "dims": [-1]}],
        "output": [{"name": "y", "data_type": "TYPE_BF16", "dims": [-1, 2]}],
    }


def test_the_work_of_several_processes_adds_up() -> None:
    one, other = (
        ModelStatistics(Tally(2, 20), Tally(1, 5), last_inference_ms=7, rows=4, batches=2),
        ModelStatistics(Tally(1, 10), Tally(), last_inference_ms=9, rows=1, batches=1),
    )
    told = [{"m": one}, {"m": statistics_of(asdict(other)), "n": other}]
    assert merged(told) == {"m": ModelStatistics(Tally(3, 30), Tally(1, 5), 9, rows=5, batches=3), "n": other}
