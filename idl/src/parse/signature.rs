//! A method's signature: the receiver, the context, the arguments, the return type.

use quote::ToTokens as _;
use syn::{
    FnArg, Ident, Pat, ReturnType, Signature, TraitItemFn, Type, parse_quote,
    visit::{self, Visit},
};

use super::{
    BrokenMethod, Errors,
    attributes::{Entries, entries_of},
};

/// The parts of a signature.
pub(crate) struct Parts {
    pub(crate) context: (Ident, Type),
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Option<Type>,
}

/// The entries of `#[arg(…)]`.
const ARGUMENT_KNOWN: &[&str] = &[
    "since", "or", "required", "until", "value", "name", "before", "default", "with", "route",
    "constant", "rest",
];

/// An argument and the entries of its attribute.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) entries: Entries,
}

/// Reads a signature, and removes the attributes from its arguments. Returns `None` if an RPC
/// method cannot have it.
pub(crate) fn read(method: &mut TraitItemFn, errors: &mut Errors) -> Option<Parts> {
    let mut fine = modifiers(method, errors);
    fine &= receiver(method, errors);
    let mut arguments = Vec::new();
    for input in method.sig.inputs.iter_mut() {
        let FnArg::Typed(typed) = input else { continue };
        let entries = entries_of("arg", &mut typed.attrs, ARGUMENT_KNOWN, errors);
        for attr in &typed.attrs {
            errors.at(attr, "only `#[arg(…)]` may stand before an argument");
        }
        fine &= owned(&typed.ty, errors);
        match &*typed.pat {
            Pat::Ident(pat)
                if pat.by_ref.is_none() && pat.subpat.is_none() && pat.mutability.is_none() =>
            {
                arguments.push(Argument {
                    ident: pat.ident.clone(),
                    ty: (*typed.ty).clone(),
                    entries,
                });
            }
            other => {
                fine = false;
                errors.at(other, "an argument is a plain name: the name goes on the wire");
            }
        }
    }
    let output = match &method.sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => {
            fine &= owned(ty, errors);
            Some((**ty).clone())
        }
    };
    if !fine {
        return None;
    }
    if arguments.is_empty() {
        errors.at(
            &method.sig.ident,
            "a method takes the request's context first: write `(&self, ctx: Context, …)`",
        );
        return None;
    }
    let context = arguments.remove(0);
    context.entries.refuse("the context is not an argument: remove its `#[arg(…)]`", errors);
    Some(Parts { context: (context.ident, context.ty), arguments, output })
}

/// Removes the parts of a method that the compiler would reject too. Returns `None` if too little
/// would be left.
pub(crate) fn harmless(mut method: TraitItemFn) -> Option<BrokenMethod> {
    let signature = &mut method.sig;
    signature.constness = None;
    for input in &mut signature.inputs {
        let FnArg::Typed(typed) = input else { continue };
        typed.attrs.clear();
        match &mut *typed.pat {
            Pat::Ident(pat) if pat.subpat.is_none() => (pat.by_ref, pat.mutability) = (None, None),
            pattern => *pattern = parse_quote!(_),
        }
    }
    if foreign(signature) || signature.variadic.is_some() {
        return None;
    }
    if matches!(signature.inputs.first(), Some(FnArg::Receiver(own)) if own.to_token_stream().to_string() == "self")
    {
        // A body would require `self` to be sized.
        (method.default, method.semi_token) = (None, Some(Default::default()));
    }
    let output = match &signature.output {
        ReturnType::Type(_, ty) if signature.generics.params.is_empty() => Some((**ty).clone()),
        _ => None,
    };
    let output = output.filter(|ty| owned(ty, &mut Errors::default()));
    Some(BrokenMethod { declaration: method, output, reserved: false })
}

/// Whether a signature leaves a type to the compiler, or names a lifetime that it does not declare.
fn foreign(signature: &Signature) -> bool {
    struct Foreign<'s>(&'s Signature, bool);

    impl<'ast> Visit<'ast> for Foreign<'_> {
        fn visit_type_infer(&mut self, _: &'ast syn::TypeInfer) {
            self.1 = true;
        }

        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            let declared = self.0.generics.lifetimes().any(|own| own.lifetime == *lifetime);
            self.1 |= !declared && lifetime.ident != "_" && lifetime.ident != "static";
        }
    }

    let mut foreign = Foreign(signature, false);
    foreign.visit_signature(signature);
    foreign.1
}

/// Checks the modifiers before the name, and the parts behind the signature. Returns whether the
/// method can be used.
fn modifiers(method: &TraitItemFn, errors: &mut Errors) -> bool {
    let signature = &method.sig;
    let mut fine = true;
    if signature.asyncness.is_none() {
        errors.at(&signature.fn_token, "RPC methods are asynchronous: write `async fn`");
    }
    if let Some(constness) = &signature.constness {
        errors.at(constness, "an RPC method cannot be `const`: take that away");
        fine = false;
    }
    if !matches!(signature.safety, syn::Safety::Default) {
        errors
            .at(&signature.safety, "an RPC method is neither `unsafe` nor `safe`: take that away");
        fine = false;
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "an RPC method has no ABI of its own: take `extern` away");
        fine = false;
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "an RPC method has a fixed list of arguments");
        fine = false;
    }
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            "an RPC method cannot be generic: its types are part of the interface",
        );
        fine = false;
    }
    if let Some(clause) = &signature.generics.where_clause {
        errors.at(clause, "an RPC method has no bounds: take the `where` clause away");
        fine = false;
    }
    if let Some(body) = &method.default {
        errors.at(body, "an RPC method has no body: write `;` and implement it in the server, or `#[rpc(manual)]` for a method of the client");
        fine = false;
    }
    fine
}

fn receiver(method: &TraitItemFn, errors: &mut Errors) -> bool {
    let Some(FnArg::Receiver(receiver)) = method.sig.inputs.first() else {
        errors.at(
            &method.sig.ident,
            "an RPC method takes `&self` first: write `(&self, ctx: Context, …)`",
        );
        return false;
    };
    let plain = quote::quote!(#receiver).to_string() == "& self";
    if !plain {
        errors.at(receiver, "an RPC method takes `&self`: a server runs many requests at once");
    }
    plain
}

/// Checks that a type does not borrow. Returns whether that is so.
fn owned(ty: &Type, errors: &mut Errors) -> bool {
    struct Borrows<'e> {
        errors: &'e mut Errors,
        fine: bool,
    }

    impl<'ast> Visit<'ast> for Borrows<'_> {
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.fine = false;
            let hint = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "write `String`",
                Type::Slice(_) => "write `Vec<…>`",
                _ => "write the type without `&`",
            };
            self.errors.at(
                reference,
                format!("what crosses the wire is owned: {hint}; clients may pass a reference"),
            );
        }

        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            if lifetime.ident != "static" {
                self.fine = false;
                self.errors
                    .at(lifetime, "what crosses the wire is owned: use a type without a lifetime");
            }
        }

        fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
            self.fine = false;
            self.errors.at(ty, "an RPC method names its types: write a type in place of `impl …`");
        }

        fn visit_type_infer(&mut self, ty: &'ast syn::TypeInfer) {
            self.fine = false;
            self.errors.at(ty, "an RPC method names its types: write a type in place of `_`");
        }
    }

    let mut borrows = Borrows { errors, fine: true };
    visit::visit_type(&mut borrows, ty);
    borrows.fine
}
