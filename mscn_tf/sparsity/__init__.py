"""Hard-concrete gates, their L0 penalties, and gated modulations."""
