//! Hot rows in files: what is torn or foreign is left as it is, and a crash at any place loses nothing.

use std::fs;
use std::path::Path;

use mystocks_cache::Keyspace;
use mystocks_indicators::conformance::fixation::held;
use mystocks_indicators::{CsvHotRows, ErrorKind, Fixation, FixationStrategy, FixationTarget};
use tokio::time::sleep;

use crate::{World, quote, quotes, seconds};

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count() - 1
}

#[tokio::test]
async fn what_was_torn_or_is_foreign_is_an_error_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let target = CsvHotRows::open(folder.path()).unwrap();
    target.upsert(&held(&quotes(0..20))).await.unwrap();
    let path = folder.path().join("quote/2025-01-02.csv");
    assert_eq!(lines(&path), 20);
    let whole = fs::read(&path).unwrap();
    let torn = whole[..whole.len() - 7].to_vec();
    for content in [torn, b"date,open,high\n2025-01-02,1,2\n".to_vec(), Vec::new(), vec![0xff; 50]] {
        fs::write(&path, &content).unwrap();
        let error = target.upsert(&held(&quotes(20..30))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("2025-01-02.csv"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content, "it is left as it is");
    }
    let mut other_day = quote("a", 0);
    other_day.at = "2025-01-03T00:00:00Z".parse().unwrap();
    target.upsert(&held(&[other_day])).await.unwrap();
    fs::copy(folder.path().join("quote/2025-01-03.csv"), &path).unwrap();
    let error = target.upsert(&held(&quotes(20..30))).await.unwrap_err();
    assert!(error.to_string().contains("another day"), "{error}");
    fs::write(&path, whole).unwrap();
    assert_eq!(target.upsert(&held(&quotes(10..30))).await.unwrap(), 10);
    assert_eq!(lines(&path), 30);
}

/// Of the steps of a call (other files, then names) any may be the last: what is there is whole, and the call again is right.
#[tokio::test]
async fn who_comes_after_a_crash_finds_whole_files_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let target = CsvHotRows::open(folder.path()).unwrap();
    target.upsert(&held(&quotes(0..20))).await.unwrap();
    let home = folder.path().join("quote");
    let whole = fs::read(home.join("2025-01-02.csv")).unwrap();
    // A part that was not finished, and one that was not renamed.
    for part in [&whole[..10], &whole] {
        fs::write(home.join(".2025-01-02.csv.part"), part).unwrap();
        assert_eq!(target.upsert(&held(&quotes(0..20))).await.unwrap(), 0);
        assert_eq!(fs::read(home.join("2025-01-02.csv")).unwrap(), whole);
    }
    assert_eq!(target.upsert(&held(&quotes(0..25))).await.unwrap(), 5);
    assert!(!home.join(".2025-01-02.csv.part").exists());
    // Of two days one was renamed.
    let mut rows = quotes(25..30);
    rows[0].at = "2025-01-03T00:00:00Z".parse().unwrap();
    assert_eq!(target.upsert(&held(&rows[..1])).await.unwrap(), 1);
    assert_eq!(target.upsert(&held(&rows)).await.unwrap(), 4);
    assert_eq!(lines(&home.join("2025-01-02.csv")) + lines(&home.join("2025-01-03.csv")), 30);
}

/// A file in the way holds rows up until somebody has taken it away.
#[tokio::test(start_paused = true)]
async fn rows_are_held_until_the_file_is_put_right() {
    let (world, folder) = (World::default(), tempfile::tempdir().unwrap());
    let target = CsvHotRows::open(folder.path()).unwrap();
    let fixation = Fixation::new(world.store.clone(), &Keyspace::default(), world.log.clone(), target)
        .strategy(FixationStrategy::Immediate);
    fs::create_dir(folder.path().join("quote")).unwrap();
    let path = folder.path().join("quote/2025-01-02.csv");
    fs::write(&path, "mine\n").unwrap();
    let worker = fixation.work().await.unwrap();
    fixation.put_all(&quotes(0..10)).await.unwrap();
    while fixation.state().await.unwrap().trouble.is_none() {
        sleep(seconds(1)).await;
    }
    let state = fixation.state().await.unwrap();
    assert_eq!((state.held, state.dead_letters), (10, 0));
    assert!(state.trouble.unwrap().contains("2025-01-02.csv"));
    fs::remove_file(&path).unwrap();
    fixation.flush().await.unwrap();
    assert_eq!(lines(&path), 10);
    worker.shutdown().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = CsvHotRows::open(file.join("below")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
