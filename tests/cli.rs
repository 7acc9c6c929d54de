//! Screens: args, status, stdout, stderr; a file per situation. `TRYCMD=overwrite cargo test --test cli`
//! writes them anew; read the difference.

#[test]
fn screens() {
    trycmd::TestCases::new().case("tests/cli/*.toml");
}
