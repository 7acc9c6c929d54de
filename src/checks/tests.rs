#[test]
fn the_table_has_every_row_once() {}
