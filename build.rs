//! Puts the functions' binaries into `disa`, so that an installed one is a single self-contained file. The
//! directory with them is named by DISA_FUNCTIONS_DIR; without it `disa` builds them from its checkout.

use std::path::Path;

const BINARIES: [&str; 3] = ["disa_init_process", "disa_process", "disa_retry"];

fn main() {
    println!("cargo::rerun-if-env-changed=DISA_FUNCTIONS_DIR");
    let value = match std::env::var_os("DISA_FUNCTIONS_DIR") {
        None => "None".to_owned(),
        Some(directory) => {
            let entries = BINARIES.map(|name| {
                let path = Path::new(&directory).join(name);
                let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                println!("cargo::rerun-if-changed={}", path.display());
                format!("({name:?}, include_bytes!({path:?}))")
            });
            format!("Some([{}])", entries.join(", "))
        }
    };
    let code = format!("const CARRIED: Option<[(&str, &[u8]); 3]> = {value};\n");
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("carried.rs"), code).unwrap_or_else(|error| panic!("carried.rs: {error}"));
}
