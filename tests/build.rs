//! Generates the random interfaces of the test `random`.

#[path = "random/generate.rs"]
mod generate;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=random/generate.rs");
    println!("cargo::rerun-if-env-changed=RPC_RANDOM_SEED");
    let seed = std::env::var("RPC_RANDOM_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("RPC_RANDOM_SEED is a number"));
    let folder = std::env::var_os("OUT_DIR").expect("cargo sets it");
    let file = std::path::Path::new(&folder).join("random.rs");
    std::fs::write(file, generate::interfaces(seed)).expect("the folder can be written");
}
