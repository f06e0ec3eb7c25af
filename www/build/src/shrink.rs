//! What can be left out before `wasm-opt` runs, without a change in what the module does.

use std::{
    collections::BTreeMap,
    io::{Error, Result},
};

use walrus::{
    ConstExpr, Data, DataKind, FunctionBuilder, FunctionId, FunctionKind, Module,
    ir::{Call, Value, Visitor, dfs_in_order},
};

/// Where a panic begins. Under `panic = "abort"`, with nobody to print for, all that it does is to end in
/// `unreachable`: so may the beginning, and messages, formatting and source locations have no user any more.
///
/// Their messages alone format anything: the sources must not, as [`formatter`] finds out.
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

/// What formats, and is replaced too. Whoever else calls it would meet `unreachable`.
const FORMATS: [&str; 6] = [
    "::fmt::Write>::",
    "::fmt::Display>::fmt",
    "::fmt::Debug>::fmt",
    "::fmt::Formatter",
    "::fmt::format",
    "::fmt::write",
];

/// A function, not of those that panic, that formats: the sources join texts instead, which is a tenth of the size.
pub fn formatter(module: &Module) -> Option<String> {
    let names: BTreeMap<_, _> = module
        .funcs
        .iter()
        .filter_map(|function| Some((function.id(), function.name.as_deref()?)))
        .collect();
    let formats = |id: &FunctionId| {
        names.get(id).is_some_and(|name| FORMATS.iter().any(|part| name.contains(part)))
    };
    let of_panics =
        |name: &str| name.contains("::fmt::") || PANICS.iter().any(|part| name.contains(part));
    let caller = module.funcs.iter_local().find(|(id, function)| {
        let mut calls = Calls::default();
        dfs_in_order(&mut calls, function, function.entry_block());
        !names.get(id).is_some_and(|name| of_panics(name)) && calls.0.iter().any(formats)
    });
    caller.map(|(id, _)| names.get(&id).copied().unwrap_or("a function").to_owned())
}

/// Whom a function calls.
#[derive(Default)]
struct Calls(Vec<FunctionId>);

impl Visitor<'_> for Calls {
    fn visit_call(&mut self, call: &Call) {
        self.0.push(call.func);
    }
}

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

/// Puts zeros, which weigh nothing packed, in place of the source locations that panics would have told: every record of
/// one, and the path that it points to.
pub fn forget_locations(module: &mut Module) {
    let ids: Vec<_> = module.data.iter().map(Data::id).collect();
    let of = |id| (address(&module.data.get(id).kind), &module.data.get(id).value);
    let segments: Vec<_> =
        ids.iter().filter_map(|id| Some((of(*id).0?, of(*id).1.clone()))).collect();
    let records: Vec<_> =
        segments.iter().flat_map(|(at, segment)| records(*at, segment, &segments)).collect();
    for id in ids {
        let data = module.data.get_mut(id);
        if let Some(at) = address(&data.kind) {
            for Location { record, path, length } in &records {
                forget(at, &mut data.value, *record, 16);
                forget(at, &mut data.value, *path, *length);
            }
        }
    }
}

fn address(kind: &DataKind) -> Option<usize> {
    match kind {
        DataKind::Active { offset: ConstExpr::Value(Value::I32(at)), .. } => (*at).try_into().ok(),
        _ => None,
    }
}

/// Where a location stands, and its path.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    record: usize,
    path: usize,
    length: usize,
}

/// A record is a path's address and length, then line and column; the path is text that ends in `.rs`.
fn records(at: usize, segment: &[u8], segments: &[(usize, Vec<u8>)]) -> Vec<Location> {
    let word = |start: usize| {
        let bytes = segment.get(start..start + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let location = |start: usize| {
        let (path, length) = (word(start)?, word(start + 4)?);
        let place =
            (1..100_000).contains(&word(start + 8)?) && (1..1_000).contains(&word(start + 12)?);
        let text = text(path, length, segments)?;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        (place && text.ends_with(b".rs")).then_some(Location { record: at + start, path, length })
    };
    (at.next_multiple_of(4) - at..segment.len()).step_by(4).filter_map(location).collect()
}

fn text(path: usize, length: usize, segments: &[(usize, Vec<u8>)]) -> Option<&[u8]> {
    segments.iter().find_map(|(at, segment)| {
        let start = path.checked_sub(*at)?;
        segment.get(start..start.checked_add(length)?)
    })
}

/// Puts zeros in place of what stands at an address, if it is in this segment.
fn forget(at: usize, segment: &mut [u8], address: usize, length: usize) {
    let start = address.checked_sub(at);
    if let Some(bytes) = start.and_then(|start| segment.get_mut(start..start + length)) {
        bytes.fill(0);
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

/// Gives every export of the crate a name as short.
pub fn rename_exports(module: &mut Module, glue: &str) -> String {
    let mut glue = glue.to_owned();
    for (number, export) in module.exports.iter_mut().enumerate() {
        if export.name.starts_with("countersigntab_") {
            let short = format!("${number}");
            glue = glue.replace(&format!("wasm.{}(", export.name), &format!("wasm.{short}("));
            export.name = short;
        }
    }
    glue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_forgotten_and_nothing_else() {
        let record = |path: u32, length: u32, line: u32| {
            [path, length, line, 9].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>()
        };
        let mut segment = b"KEEPsrc/a.rs\0\0\0\0".to_vec();
        segment.extend(record(1004, 9, 7));
        segment.extend(record(1004, 8, 8));
        let wrong: Vec<_> = [record(1004, 8, 0), record(1004, 7, 7), record(9, 8, 7)].concat();
        segment.extend(&wrong);
        let found = records(1000, &segment, &[(1000, segment.clone())]);
        let location = |record, length| Location { record, path: 1004, length };
        assert_eq!(found, [location(1016, 9), location(1032, 8)]);
        for Location { record, path, length } in found {
            forget(1000, &mut segment, record, 16);
            forget(1000, &mut segment, path, length);
        }
        let mut expected = b"KEEP".to_vec();
        expected.resize(16 + 32, 0);
        expected.extend(&wrong);
        assert_eq!(segment, expected);
    }
}
