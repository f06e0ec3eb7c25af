//! What can be left out before `wasm-opt` runs, without a change in what the module does.

use std::io::{Error, Result};

use walrus::{FunctionBuilder, FunctionKind, Module};

/// Where a panic begins. Under `panic = "abort"`, with nobody to print for, all that it does is to end in
/// `unreachable`: so may the beginning, and messages, formatting and source locations have no user any more.
///
/// Their messages alone use `Debug`, which the sources must not use otherwise.
const PANICS: [&str; 16] = [
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
    "::fmt::builders::",
    "::fmt::Formatter>::debug_",
];

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
