//! Every Redis key and channel name of the platform, and the JSON dialect their digests are made of.
