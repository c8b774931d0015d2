//! Rows out of nothing, to measure large catalogs without storing what they would describe.
