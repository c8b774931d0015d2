//! The portal in a real browser, as people click it: a real box, a real Chromium, and nothing else within reach.
//!
//! Each test lives in a network namespace of its own. The browser has the box's authority in its certificate database and
//! checks the portal's certificates itself.

mod api;
mod bringing_back;
mod checks_themselves;
mod first_run;
mod hostile;
mod inspect;
mod kept_outside;
mod pages;
mod peers;
mod scene;
