// Countersign's OAuth 2 client for browsers. Built by `cargo bundle`; types are in oauth_client.d.ts.

// First of all the answer of a sign-in leaves the address, before anything else is loaded that could see it.
let callback = (() => {
const query = new URLSearchParams(location.search);
if (!query.has("state") || !(query.has("code") || query.has("error"))) return;
const answer = location.search.slice(1);
history.replaceState(history.state, "", location.pathname);
return answer;
})();

class Auth {
static __wrap(ptr) {
const obj = Object.create(Auth.prototype);
obj.__wbg_ptr = ptr;
AuthFinalization.register(obj, obj.__wbg_ptr, obj);
return obj;
}
__destroy_into_raw() {
const ptr = this.__wbg_ptr;
this.__wbg_ptr = 0;
AuthFinalization.unregister(this);
return ptr;
}
free() {
const ptr = this.__destroy_into_raw();
wasm.__wbg_auth_free(ptr, 0);
}
get error() {
const ret = wasm.auth_error(this.__wbg_ptr);
return ret;
}
get expires() {
const ret = wasm.auth_expires(this.__wbg_ptr);
return ret[0] === 0 ? undefined : ret[1];
}
fetch(input, init) {
const ret = wasm.auth_fetch(this.__wbg_ptr, input, init);
return ret;
}
login(options) {
const ret = wasm.auth_login(this.__wbg_ptr, options);
return ret;
}
logout(options) {
const ret = wasm.auth_logout(this.__wbg_ptr, options);
return ret;
}
get reason() {
const ret = wasm.auth_reason(this.__wbg_ptr);
let v1;
if (ret[0] !== 0) {
v1 = getStringFromWasm0(ret[0], ret[1]);
wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
}
return v1;
}
get scope() {
const ret = wasm.auth_scope(this.__wbg_ptr);
let v1;
if (ret[0] !== 0) {
v1 = getStringFromWasm0(ret[0], ret[1]);
wasm.__wbindgen_free(ret[0], ret[1] * 1, 1);
}
return v1;
}
get status() {
let deferred1_0;
let deferred1_1;
try {
const ret = wasm.auth_status(this.__wbg_ptr);
deferred1_0 = ret[0];
deferred1_1 = ret[1];
return getStringFromWasm0(ret[0], ret[1]);
} finally {
wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
}
}
get storage() {
let deferred1_0;
let deferred1_1;
try {
const ret = wasm.auth_storage(this.__wbg_ptr);
deferred1_0 = ret[0];
deferred1_1 = ret[1];
return getStringFromWasm0(ret[0], ret[1]);
} finally {
wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
}
}
watch(callback) {
const ret = wasm.auth_watch(this.__wbg_ptr, callback);
return ret;
}
}
if (Symbol.dispose) Auth.prototype[Symbol.dispose] = Auth.prototype.free;
function open(options, document, callback) {
let ptr0, len0, ptr1, len1;
try {
ptr0 = passStringToWasm0(document, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
len0 = WASM_VECTOR_LEN;
ptr1 = isLikeNone(callback) ? 0 : passStringToWasm0(callback, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
len1 = WASM_VECTOR_LEN;
} catch (e) {
if (ptr1) { wasm.__wbindgen_free(ptr1, len1 * 1, 1); }
if (ptr0) { wasm.__wbindgen_free(ptr0, len0 * 1, 1); }
throw e;
}
const ret = wasm.open(options, ptr0, len0, ptr1, len1);
return ret;
}
function __wbg_get_imports() {
const import0 = {
__proto__: null,
$16: function(arg0, arg1) {
const ret = Error(getStringFromWasm0(arg0, arg1));
return ret;
},
$10: function(arg0, arg1) {
const ret = Symbol(arg0 === 0 ? undefined : getStringFromWasm0(arg0, arg1));
return ret;
},
$2: function(arg0) {
const ret = !arg0;
return ret;
},
$96: function(arg0) {
const ret = typeof(arg0) === 'function';
return ret;
},
$95: function(arg0) {
const val = arg0;
const ret = typeof(val) === 'object' && val !== null;
return ret;
},
$97: function(arg0) {
const ret = arg0 === undefined;
return ret;
},
$94: function(arg0, arg1) {
const ret = arg0 === arg1;
return ret;
},
$52: function(arg0, arg1) {
const obj = arg1;
const ret = typeof(obj) === 'number' ? obj : undefined;
getDataViewMemory0().setFloat64((arg0 >>> 0) + 8 * 1, isLikeNone(ret) ? 0 : ret, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, !isLikeNone(ret), true);
},
$93: function(arg0, arg1) {
const obj = arg1;
const ret = typeof(obj) === 'string' ? obj : undefined;
var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
var len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
},
$98: function(arg0, arg1) {
throw new Error(getStringFromWasm0(arg0, arg1));
},
$54: function(arg0) {
arg0._wbg_cb_unref();
},
$46: function(arg0) {
arg0.abort();
},
$19: function() { return handleError(function (arg0, arg1, arg2, arg3) {
arg0.addEventListener(getStringFromWasm0(arg1, arg2), arg3);
}, arguments); },
$39: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.add(arg1, arg2);
return ret;
}, arguments); },
$58: function(arg0, arg1) {
const ret = Object.assign(arg0, arg1);
return ret;
},
$69: function() { return handleError(function (arg0, arg1, arg2) {
arg0.assign(getStringFromWasm0(arg1, arg2));
}, arguments); },
$80: function(arg0) {
const ret = Auth.__wrap(arg0);
return ret;
},
$5: function(arg0, arg1, arg2) {
const ret = arg0.bind(arg1, arg2);
return ret;
},
$89: function() { return handleError(function (arg0, arg1) {
const ret = arg0.call(arg1);
return ret;
}, arguments); },
$55: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.call(arg1, arg2);
return ret;
}, arguments); },
$67: function() { return handleError(function (arg0) {
const ret = arg0.clone();
return ret;
}, arguments); },
$20: function(arg0) {
arg0.close();
},
$111: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.createObjectStore(getStringFromWasm0(arg1, arg2));
return ret;
}, arguments); },
$103: function() { return handleError(function (arg0) {
const ret = arg0.crypto;
return ret;
}, arguments); },
$43: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
const ret = arg0.decrypt(arg1, arg2, getArrayU8FromWasm0(arg3, arg4));
return ret;
}, arguments); },
$40: function() { return handleError(function (arg0, arg1) {
const ret = arg0.delete(arg1);
return ret;
}, arguments); },
$41: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
const ret = arg0.encrypt(arg1, arg2, getArrayU8FromWasm0(arg3, arg4));
return ret;
}, arguments); },
$32: function() { return handleError(function (arg0) {
const ret = arg0.error;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
}, arguments); },
$45: function(arg0, arg1, arg2, arg3) {
const ret = arg0.fetch(getStringFromWasm0(arg1, arg2), arg3);
return ret;
},
$29: function(arg0, arg1) {
const ret = arg0.fetch(arg1);
return ret;
},
$70: function(arg0) {
const ret = Array.from(arg0);
return ret;
},
$35: function() { return handleError(function (arg0, arg1, arg2, arg3) {
const ret = arg0.generateKey(arg1, arg2 !== 0, arg3);
return ret;
}, arguments); },
$106: function() { return handleError(function (arg0, arg1, arg2, arg3) {
const ret = arg1.getItem(getStringFromWasm0(arg2, arg3));
var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
var len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
}, arguments); },
$100: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.getRandomValues(getArrayU8FromWasm0(arg1, arg2));
return ret;
}, arguments); },
$3: function() { return handleError(function (arg0, arg1) {
const ret = Reflect.get(arg0, arg1);
return ret;
}, arguments); },
$34: function() { return handleError(function (arg0, arg1) {
const ret = arg0.get(arg1);
return ret;
}, arguments); },
$104: function() { return handleError(function (arg0, arg1, arg2, arg3) {
const ret = arg1.get(getStringFromWasm0(arg2, arg3));
var ptr1 = isLikeNone(ret) ? 0 : passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
var len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
}, arguments); },
$47: function(arg0, arg1) {
const ret = arg0[arg1 >>> 0];
return ret;
},
$1: function(arg0, arg1) {
const ret = arg0[arg1 >>> 0];
return ret;
},
$17: function(arg0) {
const ret = arg0.headers;
return ret;
},
$27: function(arg0) {
const ret = arg0.headers;
return ret;
},
$73: function() { return handleError(function (arg0) {
const ret = arg0.history;
return ret;
}, arguments); },
$76: function() { return handleError(function (arg0) {
const ret = arg0.indexedDB;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
}, arguments); },
$79: function(arg0) {
let result;
try {
result = arg0 instanceof IDBDatabase;
} catch (_) {
result = false;
}
const ret = result;
return ret;
},
$57: function(arg0) {
let result;
try {
result = arg0 instanceof Object;
} catch (_) {
result = false;
}
const ret = result;
return ret;
},
$60: function(arg0) {
let result;
try {
result = arg0 instanceof Request;
} catch (_) {
result = false;
}
const ret = result;
return ret;
},
$99: function(arg0) {
let result;
try {
result = arg0 instanceof Window;
} catch (_) {
result = false;
}
const ret = result;
return ret;
},
$50: function(arg0) {
const ret = Array.isArray(arg0);
return ret;
},
$87: function(arg0) {
const ret = arg0.length;
return ret;
},
$71: function(arg0) {
const ret = arg0.length;
return ret;
},
$101: function() { return handleError(function (arg0) {
const ret = arg0.localStorage;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
}, arguments); },
$68: function(arg0) {
const ret = arg0.location;
return ret;
},
$6: function(arg0) {
const ret = arg0.navigator;
return ret;
},
$42: function(arg0) {
const ret = new Uint8Array(arg0);
return ret;
},
$113: function() { return handleError(function () {
const ret = new AbortController();
return ret;
}, arguments); },
$14: function(arg0, arg1) {
const ret = new Error(getStringFromWasm0(arg0, arg1));
return ret;
},
$65: function() { return handleError(function (arg0, arg1) {
const ret = new URL(getStringFromWasm0(arg0, arg1));
return ret;
}, arguments); },
$22: function() { return handleError(function (arg0, arg1) {
const ret = new BroadcastChannel(getStringFromWasm0(arg0, arg1));
return ret;
}, arguments); },
$13: function(arg0, arg1) {
try {
var state0 = {a: arg0, b: arg1};
var cb0 = (arg0, arg1) => {
const a = state0.a;
state0.a = 0;
try {
return wasm_bindgen__convert__closures_____invoke__h8b6ce980cc24d483(a, state0.b, arg0, arg1);
} finally {
state0.a = a;
}
};
const ret = new Promise(cb0);
return ret;
} finally {
state0.a = 0;
}
},
$8: function() {
const ret = new Object();
return ret;
},
$44: function(arg0, arg1) {
const ret = new Uint8Array(getArrayU8FromWasm0(arg0, arg1));
return ret;
},
$21: function(arg0, arg1) {
try {
var state0 = {a: arg0, b: arg1};
var cb0 = (arg0, arg1) => {
const a = state0.a;
state0.a = 0;
try {
return wasm_bindgen__convert__closures_____invoke__h8b6ce980cc24d483(a, state0.b, arg0, arg1);
} finally {
state0.a = a;
}
};
const ret = new Promise(cb0);
return ret;
} finally {
state0.a = 0;
}
},
$61: function() { return handleError(function (arg0, arg1) {
const ret = new Request(arg0, arg1);
return ret;
}, arguments); },
$63: function() { return handleError(function (arg0, arg1, arg2) {
const ret = new Request(getStringFromWasm0(arg0, arg1), arg2);
return ret;
}, arguments); },
$4: function() {
const ret = Date.now();
return ret;
},
$112: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.objectStore(getStringFromWasm0(arg1, arg2));
return ret;
}, arguments); },
$11: function(arg0, arg1) {
const ret = Array.of(arg0, arg1);
return ret;
},
$53: function(arg0) {
const ret = arg0.onLine;
return ret;
},
$77: function() { return handleError(function (arg0, arg1, arg2, arg3) {
const ret = arg0.open(getStringFromWasm0(arg1, arg2), arg3 >>> 0);
return ret;
}, arguments); },
$108: function() { return handleError(function (arg0, arg1) {
const ret = arg1.origin;
const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
}, arguments); },
$66: function(arg0, arg1) {
const ret = arg1.origin;
const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
},
$49: function() { return handleError(function (arg0, arg1) {
const ret = JSON.parse(getStringFromWasm0(arg0, arg1));
return ret;
}, arguments); },
$109: function() { return handleError(function (arg0, arg1) {
const ret = arg1.pathname;
const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
}, arguments); },
$24: function() { return handleError(function (arg0, arg1) {
arg0.postMessage(arg1);
}, arguments); },
$88: function(arg0, arg1, arg2) {
Uint8Array.prototype.set.call(getArrayU8FromWasm0(arg0, arg1), arg2);
},
$38: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.put(arg1, arg2);
return ret;
}, arguments); },
$81: function(arg0) {
const ret = arg0.queueMicrotask;
return ret;
},
$92: function(arg0) {
queueMicrotask(arg0);
},
$12: function(arg0) {
const ret = Promise.race(arg0);
return ret;
},
$105: function() { return handleError(function (arg0, arg1, arg2) {
arg0.removeItem(getStringFromWasm0(arg1, arg2));
}, arguments); },
$75: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4, arg5) {
arg0.replaceState(arg1, getStringFromWasm0(arg2, arg3), arg4 === 0 ? undefined : getStringFromWasm0(arg4, arg5));
}, arguments); },
$26: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
const ret = arg0.request(getStringFromWasm0(arg1, arg2), arg3, arg4);
return ret;
}, arguments); },
$82: function(arg0) {
const ret = Promise.resolve(arg0);
return ret;
},
$110: function() { return handleError(function (arg0) {
const ret = arg0.result;
return ret;
}, arguments); },
$72: function() { return handleError(function (arg0, arg1) {
const ret = arg1.search;
const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
}, arguments); },
$102: function() { return handleError(function (arg0) {
const ret = arg0.sessionStorage;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
}, arguments); },
$107: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
arg0.setItem(getStringFromWasm0(arg1, arg2), getStringFromWasm0(arg3, arg4));
}, arguments); },
$7: function(arg0, arg1) {
const ret = setTimeout(arg0, arg1 >>> 0);
return ret;
},
$90: function() { return handleError(function (arg0, arg1, arg2) {
const ret = Reflect.set(arg0, arg1, arg2);
return ret;
}, arguments); },
$28: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4) {
arg0.set(getStringFromWasm0(arg1, arg2), getStringFromWasm0(arg3, arg4));
}, arguments); },
$15: function(arg0, arg1, arg2) {
arg0[arg1] = arg2;
},
$37: function(arg0, arg1) {
arg0.onabort = arg1;
},
$36: function(arg0, arg1) {
arg0.oncomplete = arg1;
},
$31: function(arg0, arg1) {
arg0.onerror = arg1;
},
$23: function(arg0, arg1) {
arg0.onmessage = arg1;
},
$30: function(arg0, arg1) {
arg0.onsuccess = arg1;
},
$78: function(arg0, arg1) {
arg0.onupgradeneeded = arg1;
},
$59: function(arg0, arg1) {
arg0.redirect = __wbindgen_enum_RequestRedirect[arg1];
},
$25: function(arg0) {
const ret = arg0.signal;
return ret;
},
$51: function(arg0, arg1) {
const ret = arg1.slice();
const ptr1 = passArrayJsValueToWasm0(ret, wasm.__wbindgen_malloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
},
$74: function() { return handleError(function (arg0) {
const ret = arg0.state;
return ret;
}, arguments); },
$84: function() {
const ret = typeof globalThis === 'undefined' ? undefined : globalThis;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
},
$83: function() {
const ret = typeof global === 'undefined' ? undefined : global;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
},
$86: function() {
const ret = typeof self === 'undefined' ? undefined : self;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
},
$85: function() {
const ret = typeof window === 'undefined' ? undefined : window;
return isLikeNone(ret) ? 0 : addToExternrefTable0(ret);
},
$48: function(arg0) {
const ret = arg0.status;
return ret;
},
$56: function() { return handleError(function (arg0) {
const ret = arg0.text();
return ret;
}, arguments); },
$0: function(arg0, arg1, arg2) {
const ret = arg0.then(arg1, arg2);
return ret;
},
$91: function(arg0, arg1) {
const ret = arg0.then(arg1);
return ret;
},
$62: function(arg0) {
const ret = arg0.toString();
return ret;
},
$33: function() { return handleError(function (arg0, arg1, arg2) {
const ret = arg0.transaction(getStringFromWasm0(arg1, arg2));
return ret;
}, arguments); },
$9: function() { return handleError(function (arg0, arg1, arg2, arg3, arg4, arg5) {
const ret = arg0.transaction(getStringFromWasm0(arg1, arg2), getStringFromWasm0(arg3, arg4), arg5);
return ret;
}, arguments); },
$18: function(arg0) {
const ret = arg0.type;
return (__wbindgen_enum_ResponseType.indexOf(ret) + 1 || 7) - 1;
},
$64: function(arg0, arg1) {
const ret = arg1.url;
const ptr1 = passStringToWasm0(ret, wasm.__wbindgen_malloc, wasm.__wbindgen_realloc);
const len1 = WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 1, len1, true);
getDataViewMemory0().setInt32((arg0 >>> 0) + 4 * 0, ptr1, true);
},
$115: function(arg0, arg1) {
const ret = makeMutClosure(arg0, arg1, wasm_bindgen__convert__closures_____invoke__h95b46f5eb493dce5);
return ret;
},
$116: function(arg0, arg1) {
const ret = makeMutClosure(arg0, arg1, wasm_bindgen__convert__closures_____invoke__hb377909716cf4884);
return ret;
},
$117: function(arg0, arg1) {
const ret = makeClosure(arg0, arg1, wasm_bindgen__convert__closures_____invoke__h3c6527c696f3d106);
return ret;
},
$118: function(arg0, arg1) {
const ret = makeMutClosure(arg0, arg1, wasm_bindgen__convert__closures_____invoke__h7e7fede7463b95f8);
return ret;
},
$119: function(arg0) {
const ret = arg0;
return ret;
},
$120: function(arg0, arg1) {
const ret = getStringFromWasm0(arg0, arg1);
return ret;
},
$114: function() {
const table = wasm.__wbindgen_externrefs;
table.set(0, undefined);
table.set(1024, undefined);
table.set(1025, null);
table.set(1026, true);
table.set(1027, false);
},
};
return {
__proto__: null,
"$": import0,
};
}
function wasm_bindgen__convert__closures_____invoke__h3c6527c696f3d106(arg0, arg1) {
wasm.wasm_bindgen__convert__closures_____invoke__h3c6527c696f3d106(arg0, arg1);
}
function wasm_bindgen__convert__closures_____invoke__h7e7fede7463b95f8(arg0, arg1) {
wasm.wasm_bindgen__convert__closures_____invoke__h7e7fede7463b95f8(arg0, arg1);
}
function wasm_bindgen__convert__closures_____invoke__hb377909716cf4884(arg0, arg1) {
const ret = wasm.wasm_bindgen__convert__closures_____invoke__hb377909716cf4884(arg0, arg1);
return ret;
}
function wasm_bindgen__convert__closures_____invoke__h95b46f5eb493dce5(arg0, arg1, arg2) {
const ret = wasm.wasm_bindgen__convert__closures_____invoke__h95b46f5eb493dce5(arg0, arg1, arg2);
if (ret[1]) {
throw takeFromExternrefTable0(ret[0]);
}
}
function wasm_bindgen__convert__closures_____invoke__h8b6ce980cc24d483(arg0, arg1, arg2, arg3) {
wasm.wasm_bindgen__convert__closures_____invoke__h8b6ce980cc24d483(arg0, arg1, arg2, arg3);
}
const __wbindgen_enum_RequestRedirect = ["follow", "error", "manual"];
const __wbindgen_enum_ResponseType = ["basic", "cors", "default", "error", "opaque", "opaqueredirect"];
const AuthFinalization = (typeof FinalizationRegistry === 'undefined')
? { register: () => {}, unregister: () => {} }
: new FinalizationRegistry(ptr => wasm.__wbg_auth_free(ptr, 1));
function addToExternrefTable0(obj) {
const idx = wasm.__externref_table_alloc();
wasm.__wbindgen_externrefs.set(idx, obj);
return idx;
}
const CLOSURE_DTORS = (typeof FinalizationRegistry === 'undefined')
? { register: () => {}, unregister: () => {} }
: new FinalizationRegistry(state => wasm.__wbindgen_destroy_closure(state.a, state.b));
function getArrayU8FromWasm0(ptr, len) {
ptr = ptr >>> 0;
return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}
let cachedDataViewMemory0 = null;
function getDataViewMemory0() {
if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
}
return cachedDataViewMemory0;
}
function getStringFromWasm0(ptr, len) {
ptr = ptr >>> 0;
return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}
let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
}
return cachedUint8ArrayMemory0;
}
function handleError(f, args) {
try {
return f.apply(this, args);
} catch (e) {
const idx = addToExternrefTable0(e);
wasm.__wbindgen_exn_store(idx);
}
}
function isLikeNone(x) {
return x === undefined || x === null;
}
function makeClosure(arg0, arg1, f) {
const state = { a: arg0, b: arg1, cnt: 1 };
const real = (...args) => {
state.cnt++;
try {
return f(state.a, state.b, ...args);
} finally {
real._wbg_cb_unref();
}
};
real._wbg_cb_unref = () => {
if (--state.cnt === 0) {
wasm.__wbindgen_destroy_closure(state.a, state.b);
state.a = 0;
CLOSURE_DTORS.unregister(state);
}
};
CLOSURE_DTORS.register(real, state, state);
return real;
}
function makeMutClosure(arg0, arg1, f) {
const state = { a: arg0, b: arg1, cnt: 1 };
const real = (...args) => {
state.cnt++;
const a = state.a;
state.a = 0;
try {
return f(a, state.b, ...args);
} finally {
state.a = a;
real._wbg_cb_unref();
}
};
real._wbg_cb_unref = () => {
if (--state.cnt === 0) {
wasm.__wbindgen_destroy_closure(state.a, state.b);
state.a = 0;
CLOSURE_DTORS.unregister(state);
}
};
CLOSURE_DTORS.register(real, state, state);
return real;
}
function passArrayJsValueToWasm0(array, malloc) {
const ptr = malloc(array.length * 4, 4) >>> 0;
for (let i = 0; i < array.length; i++) {
const add = addToExternrefTable0(array[i]);
getDataViewMemory0().setUint32(ptr + 4 * i, add, true);
}
WASM_VECTOR_LEN = array.length;
return ptr;
}
function passStringToWasm0(arg, malloc, realloc) {
if (realloc === undefined) {
const buf = cachedTextEncoder.encode(arg);
const ptr = malloc(buf.length, 1) >>> 0;
getUint8ArrayMemory0().subarray(ptr, ptr + buf.length).set(buf);
WASM_VECTOR_LEN = buf.length;
return ptr;
}
let len = arg.length;
let ptr = malloc(len, 1) >>> 0;
const mem = getUint8ArrayMemory0();
let offset = 0;
for (; offset < len; offset++) {
const code = arg.charCodeAt(offset);
if (code > 0x7F) break;
mem[ptr + offset] = code;
}
if (offset !== len) {
if (offset !== 0) {
arg = arg.slice(offset);
}
ptr = realloc(ptr, len, len = offset + arg.length * 3, 1) >>> 0;
const view = getUint8ArrayMemory0().subarray(ptr + offset, ptr + len);
const ret = cachedTextEncoder.encodeInto(arg, view);
offset += ret.written;
ptr = realloc(ptr, len, offset, 1) >>> 0;
}
WASM_VECTOR_LEN = offset;
return ptr;
}
function takeFromExternrefTable0(idx) {
const value = wasm.__wbindgen_externrefs.get(idx);
wasm.__externref_table_dealloc(idx);
return value;
}
let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
numBytesDecoded += bytes.length;
if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
numBytesDecoded = bytes.length;
}
return cachedTextDecoder.decode(bytes);
}
const cachedTextEncoder = new TextEncoder();
if (!('encodeInto' in cachedTextEncoder)) {
cachedTextEncoder.encodeInto = function (arg, view) {
const buf = cachedTextEncoder.encode(arg);
view.set(buf);
return {
read: arg.length,
written: buf.length
};
};
}
let WASM_VECTOR_LEN = 0;
let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
wasmInstance = instance;
wasm = instance.exports;
wasmModule = module;
cachedDataViewMemory0 = null;
cachedUint8ArrayMemory0 = null;
wasm.__wbindgen_start();
return wasm;
}

const fail = (code, message) => { throw Object.assign(new Error(message), { name: "OAuthError", code }); };

async function load() {
const response = await fetch(new URL("oauth_client-9b6fcbb713d2de32.wasm", import.meta.url), { integrity: "sha384-sphFge6Ol6UY0MUgbTkM3pi38lVb7rJJrCjn+x+twUXEv78/MNhq63+gAMZ1x5EP", credentials: "omit" })
.catch(() => fail("script-blocked", "oauth_client-9b6fcbb713d2de32.wasm cannot be loaded beside the script, or is not the one that belongs to it; see that the page's policy lists its origin in connect-src, and try again"));
if (!response.ok) fail("script-blocked", `oauth_client-9b6fcbb713d2de32.wasm beside the script answers ${response.status}; serve both files from one release`);
const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), __wbg_get_imports())
.catch(() => fail("script-blocked", "the page's policy forbids WebAssembly; add 'wasm-unsafe-eval' to script-src"));
wasm = instance.exports;
wasm.__wbindgen_start();
}

let loading;
const opened = open;
async function start(options = {}) {
loading ??= load();
try { await loading; } catch (error) { loading = undefined; throw error; }
const answer = callback;
callback = undefined;
return opened(options, new URL("oauth_client.json", import.meta.url).href, answer);
}
export { start as open };
