"""Facts that a text states, found by rules: what it is about, so that a later statement takes its place."""

from automem_agents.text.facts.reading import fact_of
from automem_agents.text.facts.replacing import replaced_value, takes_the_place_of
from automem_agents.text.facts.statement import clauses, without_opening

__all__ = ["clauses", "fact_of", "replaced_value", "takes_the_place_of", "without_opening"]
