//! Unpublished: private Redis servers and a fault proxy for the tests of the workspace.
