"""Every error a user can meet.

::

    AutoMemError
    ├── InvalidInput (ValueError)      an argument is wrong; nothing was changed
    │   └── ScopeRequired              no user_id was given and the controller has no default
    ├── NotFound (LookupError)
    │   ├── UnknownRecord              no such record in this namespace
    │   ├── UnknownDecision            no such decision, or a crash lost it before it was logged
    │   └── Erased                     it was physically removed and can't come back
    ├── Conflict                       the change would overwrite a later one
    ├── StoreError
    │   ├── StoreClosed                the controller was closed
    │   ├── StoreUnavailable           the database can't be opened, read or written
    │   ├── SchemaTooNew               the store was written by a newer version
    │   └── EmbedderMismatch           the store was written with another embedder
    ├── EmbedderError                  the embedder failed or returned unusable vectors
    ├── VectorIndexError               Chroma failed
    ├── DeadlineExceeded               an operation took longer than its deadline (only with strict=True)
    ├── BreakerOpen                    memory is paused after repeated failures (only with strict=True)
    ├── PolicyError                    a policy chose what isn't legal
    ├── ModelError                     a saved value model is damaged, or something else
    └── MissingExtra (ImportError)     an optional part isn't installed
"""

from __future__ import annotations


class AutoMemError(Exception):
    """Base of all errors of this package."""


class InvalidInput(AutoMemError, ValueError):
    """An argument is wrong; nothing was changed."""


class ScopeRequired(InvalidInput):
    """No user_id was given and the controller has no default."""


class NotFound(AutoMemError, LookupError):
    """What was asked for isn't there."""


class UnknownRecord(NotFound):
    """No such record in this namespace."""


class UnknownDecision(NotFound):
    """No such decision, or a crash lost it before it was logged."""


class Erased(NotFound):
    """It was physically removed and can't come back."""


class Conflict(AutoMemError):
    """The change would overwrite a later one."""


class StoreError(AutoMemError):
    """The store can't serve."""


class StoreClosed(StoreError):
    """The controller was closed."""


class StoreUnavailable(StoreError):
    """The database can't be opened, read or written."""


class SchemaTooNew(StoreError):
    """The store was written by a newer version of this package."""


class EmbedderMismatch(StoreError):
    """The store was written with another embedder."""


class EmbedderError(AutoMemError):
    """The embedder failed or returned unusable vectors."""


class VectorIndexError(AutoMemError):
    """The vector index (Chroma) failed."""


class DeadlineExceeded(AutoMemError):
    """An operation took longer than its deadline."""


class BreakerOpen(AutoMemError):
    """Memory is paused after repeated failures; it tries again by itself."""


class PolicyError(AutoMemError):
    """A policy chose what isn't legal."""


class ModelError(AutoMemError):
    """A saved value model is damaged, or something else."""


class MissingExtra(AutoMemError, ImportError):
    """An optional part isn't installed."""
