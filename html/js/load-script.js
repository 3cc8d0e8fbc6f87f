// A player library: a classic script that is loaded once, when it is first needed.

const scripts = new Map();

/** Resolves when the script has run; a load that failed may be tried again. */
export function loadScript(path) {
  let loading = scripts.get(path);
  if (loading === undefined) {
    loading = new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = path;
      script.onload = resolve;
      script.onerror = () => {
        scripts.delete(path);
        reject(new Error(`${path} cannot be loaded`));
      };
      document.head.append(script);
    });
    scripts.set(path, loading);
  }
  return loading;
}
