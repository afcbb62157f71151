//! The wire codec against captures of stock daemons (`tests/vectors`) and against noise.

mod acceptance;
mod captures;
mod robustness;
mod vectors;
mod view;
