//! What can be left out before `wasm-opt` runs, without a change in what the module does.

use std::{
    collections::BTreeMap,
    io::{Error, Result},
};

use walrus::{ConstExpr, Data, DataKind, FunctionBuilder, FunctionKind, Module, ir::Value};

/// Where a panic begins. Under `panic = "abort"`, with nobody to print for, all that it does is to end in
/// `unreachable`: so may the beginning, and messages, formatting and source locations have no user any more.
///
/// Their messages alone format anything: the sources must not, or [`FORMATS`] finds them out.
const PANICS: [&str; 18] = [
    "::panicking::",
    "::slice_error_fail",
    "::slice_index_fail",
    "::slice::index::slice_",
    "::unwrap_failed",
    "::expect_failed",
    "::panic_already",
    "::panic_access",
    "::handle_alloc_error",
    "::raw_vec::handle_error",
    "::alloc::rust_oom",
    "::rust_panic",
    "rust_begin_unwind",
    "::fmt::Debug>::fmt",
    "::fmt::Display>::fmt",
    "::fmt::Write>::",
    "::fmt::builders::",
    "::fmt::Formatter>::debug_",
];

/// Where all formatting begins. It is heavy, and its parts are gone.
pub const FORMATS: &str = "::fmt::write";

/// Puts `unreachable` in place of everything that panics.
pub fn panic_at_once(module: &mut Module) {
    let panics = |name: &str| PANICS.iter().any(|part| name.contains(part));
    let found: Vec<_> = module
        .funcs
        .iter()
        .filter(|function| function.name.as_deref().is_some_and(panics))
        .filter_map(|function| match &function.kind {
            FunctionKind::Local(local) => Some((function.id(), local.ty())),
            _ => None,
        })
        .collect();
    for (id, ty) in found {
        let (parameters, results) = module.types.params_results(ty);
        let (parameters, results) = (parameters.to_vec(), results.to_vec());
        let mut body = FunctionBuilder::new(&mut module.types, &parameters, &results);
        body.func_body().unreachable();
        let arguments = parameters.iter().map(|ty| module.locals.add(*ty)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(body.local_func(arguments));
    }
}

/// Puts zeros, which weigh nothing packed, in place of the source locations that panics would have told: every path of
/// a source, and every record that points to one.
pub fn forget_locations(module: &mut Module) {
    let segments = module.data.iter().filter_map(|data| Some((address(&data.kind)?, &data.value)));
    let paths: BTreeMap<_, _> = segments.flat_map(|(at, data)| paths(at, data)).collect();
    let ids: Vec<_> = module.data.iter().map(Data::id).collect();
    for id in ids {
        let data = module.data.get_mut(id);
        if let Some(at) = address(&data.kind) {
            forget_records(&paths, at, &mut data.value);
            forget_paths(&paths, at, &mut data.value);
        }
    }
}

fn address(kind: &DataKind) -> Option<usize> {
    match kind {
        DataKind::Active { offset: ConstExpr::Value(Value::I32(at)), .. } => (*at).try_into().ok(),
        _ => None,
    }
}

/// The address and the length of each path in the segment at `at`: text between zeros that ends in `.rs`.
fn paths(at: usize, segment: &[u8]) -> Vec<(usize, usize)> {
    let in_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-".contains(byte);
    let mut start = at;
    let mut found = Vec::new();
    for text in segment.split(|byte| *byte == 0) {
        if text.ends_with(b".rs") && text.iter().all(in_path) {
            found.push((start, text.len()));
        }
        start += text.len() + 1;
    }
    found
}

/// A record is a path's address and length, with or without the zero at its end, then line and column.
fn forget_records(paths: &BTreeMap<usize, usize>, at: usize, segment: &mut [u8]) {
    let word = |record: &[u8], index: usize| {
        let bytes = record.get(4 * index..4 * index + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    for start in (at.next_multiple_of(4) - at..segment.len()).step_by(4) {
        let Some(record) = segment.get_mut(start..start + 16) else {
            break;
        };
        let path = word(record, 0).and_then(|path| paths.get(&path));
        let length = word(record, 1);
        if path.is_some_and(|own| length == Some(*own) || length == Some(own + 1)) {
            record.fill(0);
        }
    }
}

fn forget_paths(paths: &BTreeMap<usize, usize>, at: usize, segment: &mut [u8]) {
    for (path, length) in paths.range(at..at + segment.len()) {
        segment[path - at..path - at + length].fill(0);
    }
}

/// Gives every import a name of two letters or so, here and in the glue: `__wbg_set_onsuccess_8fa3ed2b93e36cae`, as
/// they were, do not compress.
pub fn rename_imports(module: &mut Module, glue: &str) -> Result<String> {
    let mut glue = glue.to_owned();
    for (number, import) in module.imports.iter_mut().enumerate() {
        let short = format!("${number}");
        let key = format!("{}:", import.name);
        let quoted = format!("\"{}\"", import.module);
        if !glue.contains(&import.name) {
            return Err(Error::other(format!("the glue has no {}: {key}", import.name)));
        }
        glue = glue.replace(&import.name, &short).replace(&quoted, "\"$\"");
        import.name = short;
        import.module = "$".into();
    }
    Ok(glue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_forgotten_and_nothing_else() {
        let mut segment = b"keep\0src/a.rs\0\0".to_vec();
        let record = |path: u32, length: u32| {
            [path, length, 7, 9].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>()
        };
        for (path, length) in [(1005, 9), (1005, 8), (1004, 8)] {
            segment.extend(record(path, length));
        }
        let paths: BTreeMap<_, _> = paths(1000, &segment).into_iter().collect();
        assert_eq!(paths, [(1005, 8)].into());
        forget_records(&paths, 1000, &mut segment);
        forget_paths(&paths, 1000, &mut segment);
        let mut expected = b"keep".to_vec();
        expected.resize(16 + 32, 0);
        expected.extend(record(1004, 8));
        assert_eq!(segment, expected);
    }
}
