"""Ranks of models: by hand, and of the paper's tables."""

import math

from hypothesis import given
from hypothesis import strategies as st

from aiida_dismai.engine.metrics.ranking import Score, order, rank_on, rank_overall, ranks_in


def test_intervals_that_overlap_are_not_ordered():
    scores = {"a": Score(1, 0.9, 1.1), "b": Score(1.15, 1.05, 1.2), "c": Score(1.3, 1.15, 1.4), "d": Score(9, 8, 10)}
    # b overlaps with a and with c, c is behind a alone
    assert ranks_in(scores) == {"a": 1, "b": 1, "c": 2, "d": 4}


def test_without_intervals_the_values_decide_and_equal_ones_tie():
    assert ranks_in({"a": Score.of(2.0), "b": Score.of(1.0), "c": Score.of(1.0)}) == {"a": 3, "b": 1, "c": 1}


def test_a_model_of_which_nothing_could_be_analysed_is_last():
    scores = {"a": Score.of(None), "b": Score(0.1, 0.0, 5.0), "c": Score(4, 3, 5), "d": Score.of(math.nan)}
    assert ranks_in(scores) == {"a": 3, "b": 1, "c": 1, "d": 3}


@given(
    st.dictionaries(st.text(min_size=1), st.tuples(st.floats(0, 9), st.floats(0, 1), st.floats(0, 1)), min_size=1),
    st.randoms(),
)
def test_ranks_depend_on_no_order_and_the_best_is_first(drawn, random):
    scores = {name: Score(value, value - below, value + above) for name, (value, below, above) in drawn.items()}
    names = list(scores)
    random.shuffle(names)
    ranks = ranks_in(scores)
    assert ranks_in({name: scores[name] for name in names}) == ranks
    assert min(ranks.values()) == 1
    assert ranks[min(scores, key=lambda name: scores[name].upper)] == 1
    for first in names:
        for second in names:
            if scores[first].upper < scores[second].lower:
                assert ranks[first] < ranks[second]


#: Table 1 of the paper: d_all and failed, mean (min, max).
INTERFACE = {
    "d_all": {
        "CDVAE": Score(0.0547, 0.0508, 0.0589),
        "DiffCSP": Score(0.0370, 0.0353, 0.0388),
        "CrysTens": Score(0.0213, 0.0164, 0.0257),
        "UniMat": Score(0.151, 0.111, 0.181),
        "CryinGAN": Score(0.0426, 0.0379, 0.0451),
    },
    "failed_percent": {
        "CDVAE": Score(0, 0, 0),
        "DiffCSP": Score(7.17, 6, 8.9),
        "CrysTens": Score(55.3, 50.6, 61.7),
        "UniMat": Score(64.6, 60.6, 68.3),
        "CryinGAN": Score(9, 7.2, 10.2),
    },
}


def test_the_interfaces_of_the_paper():
    ranks = rank_on(INTERFACE)
    assert ranks.measures == {
        "d_all": {"CDVAE": 4, "DiffCSP": 2, "CrysTens": 1, "UniMat": 5, "CryinGAN": 2},
        "failed_percent": {"CDVAE": 1, "DiffCSP": 2, "CrysTens": 4, "UniMat": 4, "CryinGAN": 2},
    }
    assert ranks.mean == {"CDVAE": 2.5, "DiffCSP": 2, "CrysTens": 2.5, "UniMat": 4.5, "CryinGAN": 2}
    assert ranks.rank == {"CDVAE": 3, "DiffCSP": 1, "CrysTens": 3, "UniMat": 5, "CryinGAN": 1}


def test_a_measure_that_a_model_lacks():
    ranks = rank_on({"d": {"a": Score.of(1.0)}, "failed_percent": {"a": Score.of(5.0), "b": Score.of(100.0)}})
    assert ranks.measures["d"] == {"a": 1, "b": 2}
    assert ranks.rank == {"a": 1, "b": 2}


def test_over_all_data_sets_a_model_that_was_not_run_is_behind_those_that_were():
    silicon = rank_on({"d_motif": {"CDVAE": Score.of(0.04), "DiffCSP": Score.of(0.065)}})
    found = rank_overall({"interface": rank_on(INTERFACE), "silicon": silicon})
    assert found.ranks["silicon"] == {"CDVAE": 1, "DiffCSP": 2, "CrysTens": 3, "UniMat": 3, "CryinGAN": 3}
    assert found.mean["CDVAE"] == 2
    assert found.rank == {"DiffCSP": 1, "CDVAE": 2, "CryinGAN": 2, "CrysTens": 4, "UniMat": 5}
    assert found.missing == {"CrysTens": ["silicon"], "UniMat": ["silicon"], "CryinGAN": ["silicon"]}


def test_means_that_differ_by_rounding_share_a_rank():
    assert order({"a": 0.1 + 0.2, "b": 0.3, "c": 1.0}) == {"a": 1, "b": 1, "c": 3}
