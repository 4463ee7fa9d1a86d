"""Facts that a text states, found by rules: what it is about, so that a later statement takes its place."""

from automem_agents.text.facts.certain import is_certain
from automem_agents.text.facts.reading import fact_of
from automem_agents.text.facts.replacing import replaced_value, takes_the_place_of
from automem_agents.text.facts.statement import MOST_CHARS, clauses, without_opening

__all__ = ["MOST_CHARS", "clauses", "fact_of", "is_certain", "replaced_value", "takes_the_place_of", "without_opening"]
