//! Commissioning in a real laboratory: each check in the good case and in each bad one that the catalogue names must give
//! exactly its finding, and the evidence for it.

mod checks;
mod moving;
mod neighbours;
mod outside;
mod partners;
mod routers;
mod signing;
mod site;
