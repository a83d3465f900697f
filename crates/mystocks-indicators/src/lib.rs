//! Technical indicators of stocks, computed once and read through three tiers.
