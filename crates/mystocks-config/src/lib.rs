//! Typed settings of the platform: defaults, file, .env and environment, with provenance and secrets.
