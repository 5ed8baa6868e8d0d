#![no_main]

#[path = "../src/loading.rs"]
mod generated;

use natterjack::plugins::TrialLoader;

thread_local! {
    static LOADER: TrialLoader = TrialLoader::new().expect("an engine");
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(file) = generated::file(bytes) {
        LOADER.with(|loader| loader.load(&file));
    }
});
