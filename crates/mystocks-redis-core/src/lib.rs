//! One connection story for Redis: shared connections, supervision, retries, scripts, health.
