//! Every store, and every wrapper of one, keeps every promise of the seam.

use std::sync::Arc;

use mystocks_cache::{MemoryStore, Store, store_conformance};

mod memory {
    use super::*;
    store_conformance!(MemoryStore::new(), start_paused = true);
}

mod memory_in_real_time {
    use super::*;
    store_conformance!(MemoryStore::new());
}

mod erased {
    use super::*;
    store_conformance!(
        Arc::new(MemoryStore::new()) as Arc<dyn Store>,
        start_paused = true
    );
}
