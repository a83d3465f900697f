//! Technical indicators: a registry over TA-Lib, the Chinese market variants, and bar cleaning.
