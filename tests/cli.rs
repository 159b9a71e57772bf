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

/// Each sentence of GUARANTEES.md names tests: they must be there.
#[test]
fn every_guarantee_names_tests_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("GUARANTEES.md")).expect("the guarantees");
    let named: Vec<&str> = text.split('`').filter(|word| word.contains("::") && !word.contains(' ')).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let (module, test) = name.rsplit_once("::").expect("a path");
        let file = match module.split_once("::") {
            Some((package, module)) => root.join("lambdas").join(package).join("src").join(format!("{module}.rs")),
            None => root.join("tests/e2e").join(format!("{module}.rs")),
        };
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let there = source.contains(&format!("\"{test}\"")) || source.contains(&format!("fn {test}("));
        assert!(there, "{} has no test `{test}`", file.display());
    }
}
