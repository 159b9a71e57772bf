//! The help of every command, and misuse, as a user sees them: the files in `tests/cli` are the contract.
//! After a wanted change: `TRYCMD=overwrite cargo test --test cli`.

#[test]
fn help_and_misuse() {
    trycmd::TestCases::new()
        .env("DISA_CONFIG", "")
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .case("tests/cli/*.trycmd");
}
