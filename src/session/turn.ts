type Soon = (callback: () => void) => void;

/**
 * One turn of the host's event loop: everything that is ready to run has run when it is over. Much
 * shorter than a timer of 0 ms.
 */
export function turn(): Promise<void> {
  return new Promise(soon);
}

// Node's own way. Its first message through a channel loads an HTTP client, for the event's class.
const { setImmediate } = globalThis as { setImmediate?: Soon };
const soon: Soon =
  setImmediate === undefined ? throughChannel() : (callback) => void setImmediate(callback);

/** That of browsers. A channel that waits for nothing keeps no program alive. */
function throughChannel(): Soon {
  const { port1, port2 } = new MessageChannel();
  const callbacks: (() => void)[] = [];
  return (callback) => {
    callbacks.push(callback);
    port1.onmessage ??= () => {
      port1.onmessage = null;
      for (const each of callbacks.splice(0)) each();
    };
    port2.postMessage(undefined);
  };
}
