"""Records the failures of a server of the original: refusals, and failures that look like one.

`python tracebacks.py RELEASE` prints the entries of `rpc-runtime/src/refusal/tracebacks.json` for the installed release.
"""
import functools, json, linecache, sys, types, traceback, os
import oslo_messaging as messaging
from oslo_messaging._drivers import common
from oslo_messaging.rpc import dispatcher as dispatching, server as serving
from oslo_messaging import serializer

def decorate(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)
    return wrapper

class Half:
    def __new__(cls, ctxt, **kwargs):
        return super().__new__(cls)
    def __init__(self, ctxt):
        pass

def helper(a):
    return a

REMOTE = None

class Endpoint:
    target = messaging.Target(version='1.5')
    def add(self, ctxt, a, b):
        return a + b
    def raises(self, ctxt):
        raise TypeError("Endpoint.raises() missing 1 required positional argument: 'a'")
    def calls_wrongly(self, ctxt):
        return helper()
    @decorate
    def decorated(self, ctxt, a):
        return a
    @messaging.expected_exceptions(ValueError)
    def expected(self, ctxt, a):
        return a
    half = Half
    def nested_method(self, ctxt):
        raise common.deserialize_remote_exception(REMOTE, ['oslo_messaging.rpc.dispatcher'])
    def nested_quoted(self, ctxt):
        tb = ''.join(json.loads(REMOTE)['tb'])
        raise TypeError("Endpoint.nested_quoted() got this:\n" + tb)
    def nested_dispatcher(self, ctxt):
        inner = dispatching.RPCDispatcher([Endpoint()], serializer.NoOpSerializer())
        inner.dispatch(incoming('nonesuch', {}))
    def noted(self, ctxt):
        error = TypeError("Endpoint.noted() got a note")
        if hasattr(error, 'add_note'):
            error.add_note("".join(json.loads(REMOTE)['tb']))
        raise error
    def chained(self, ctxt):
        try:
            helper()
        except TypeError:
            raise dispatching.NoSuchMethod('chained')
    def raises_no_such_method(self, ctxt):
        raise dispatching.NoSuchMethod('raises_no_such_method')
    def raises_version(self, ctxt):
        raise dispatching.UnsupportedVersion('1.5', method='raises_version')

class Incoming:
    ctxt = {}
    client_timeout = None
    msg_id = 'x'
    def __init__(self, message):
        self.message = message
        self.got = None
    def acknowledge(self): pass
    def reply(self, result=None, failure=None):
        self.got = common.serialize_remote_exception(failure) if failure else None

def incoming(method, args, version='1.5', namespace=None):
    m = {'method': method, 'args': args, 'version': version}
    if namespace: m['namespace'] = namespace
    return Incoming(m)

class FakeServer:
    conf = None
    def __init__(self):
        self.dispatcher = dispatching.RPCDispatcher([Endpoint()], serializer.NoOpSerializer(), dispatching.DefaultRPCAccessPolicy)

class NoTrace:
    def __enter__(self): return self
    def __exit__(self, *a): return False
if hasattr(serving, 'tracing'):
    serving.tracing = types.SimpleNamespace(trace_receive=lambda conf, message: NoTrace())

import logging
logging.disable(logging.CRITICAL)

def run(method, args, version='1.5', namespace=None):
    i = incoming(method, args, version, namespace)
    serving.RPCServer._process_incoming(FakeServer(), [i])
    return i.got

here = os.path.dirname(os.path.abspath(__file__))
library = os.path.dirname(os.path.dirname(os.path.dirname(messaging.__file__)))


def clean(text):
    return text.replace(library, "/srv/oslo").replace(here, "/srv/service")


out = []
def case(name, proof, method, args, version='1.5', namespace=None):
    got = run(method, args, version, namespace)
    assert got, name
    got = json.loads(got)
    got['tb'] = [clean(l) for l in got['tb']]
    got['message'] = clean(got['message'])
    got['args'] = []
    python = '%d.%d' % sys.version_info[:2]
    out.append({'oslo.messaging': sys.argv[1], 'python': python, 'case': name, 'method': method, 'version': version, 'proof': proof, 'failure': got})

REMOTE = run('add', {'a': 1})
case('unknown method', 'method', 'nonesuch', {})
case('private method', 'method', '_private', {})
case('newer version', 'version', 'add', {'a': 1, 'b': 2}, '1.9')
case('unknown namespace', 'version', 'add', {'a': 1, 'b': 2}, '1.0', 'other')
case('missing argument', 'arguments', 'add', {'a': 1})
case('unknown argument', 'arguments', 'add', {'a': 1, 'b': 2, 'c': 3})
case('argument called like the context', 'arguments', 'add', {'ctxt': 1, 'a': 1, 'b': 2})
case('raises TypeError itself', None, 'raises', {})
case('calls another function wrongly', None, 'calls_wrongly', {})
case('decorated, wrong argument', None, 'decorated', {'b': 1})
case('decorated for expected exceptions, wrong argument', None, 'expected', {'b': 1})
case('class that has begun to be made', None, 'half', {'a': 1})
case('not callable', None, 'target', {})
case('passes on a nested TypeError', None, 'nested_method', {})
case('quotes a nested traceback', None, 'nested_quoted', {})
case('dispatches by itself', None, 'nested_dispatcher', {})
case('has a note like a frame', None, 'noted', {})
case('raises NoSuchMethod while it handles an error', None, 'chained', {})
case('raises NoSuchMethod itself', None, 'raises_no_such_method', {})
case('raises UnsupportedVersion itself', None, 'raises_version', {})
REMOTE = run('nonesuch', {})
case('passes on a nested NoSuchMethod', None, 'nested_method', {})
saved = linecache.getlines
linecache.getlines = lambda *a, **k: []
linecache.clearcache()
case('no source, missing argument', None, 'add', {'a': 1})
case('no source, unknown method', None, 'nonesuch', {})
linecache.getlines = saved
print(",\n".join(json.dumps(entry) for entry in out))
