//! All parsers: the first byte of the input chooses one, unless `OBHUT_FUZZ_TARGET` names it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let targets = obhut_fuzz::targets();
    let named = std::env::var("OBHUT_FUZZ_TARGET").ok();
    if let Some(named) = named {
        let target = targets.iter().find(|(name, _)| *name == named);
        let (_, parse) = target.expect("no target of this name");
        return parse(input);
    }
    if let Some((choice, rest)) = input.split_first() {
        let (_, parse) = &targets[usize::from(*choice) % targets.len()];
        parse(rest);
    }
});
