// Becomes an expression with the value: function from TypeScript to one text. Its first line is
// either
//   "E LINE COLUMN MESSAGE": no TypeScript; the place is in the source (from 1; 0: unknown), or
//   "M" and, for each place from which on the output stands elsewhere than the source,
//     " OUTPUT_OFFSET SOURCE_OFFSET" in UTF-16 units,
// and what follows the first line is the JavaScript.
(() => {
  const factories = {
/* MODULES */
  };
  const loaded = {};
  const require = (name) => {
    if (loaded[name] === undefined) {
      loaded[name] = {};
      factories[name](loaded[name], require);
    }
    return loaded[name];
  };
  const { parse } = require('parser/index');
  const { ContextualKeyword } = require('parser/tokenizer/keywords');
  const { TokenType } = require('parser/tokenizer/types');
  const TokenProcessor = require('TokenProcessor').default;
  const NameManager = require('NameManager').default;
  const { HelperManager } = require('HelperManager');
  const identifyShadowedGlobals = require('identifyShadowedGlobals').default;
  const getTSImportedNames = require('util/getTSImportedNames').default;
  const RootTransformer = require('transformers/RootTransformer').default;

  const OPTIONS = { transforms: ['typescript'], disableESTransforms: true };

  const mapOf = (tokens, mappings) => {
    let out = '';
    let drift = 0;
    for (let i = 0; i < tokens.length; i++) {
      const at = mappings[i];
      // What was taken out stands where the next token that was kept does.
      if (at === undefined || at === mappings[i + 1]) continue;
      if (tokens[i].start - at !== drift) {
        drift = tokens[i].start - at;
        out += ` ${at} ${tokens[i].start}`;
      }
    }
    return out;
  };

  // These would vanish as if they were types, with the code in them.
  const refuseNamespaces = (source, tokens) => {
    for (let i = 0; i + 2 < tokens.length; i++) {
      const { contextualKeyword, isType, start } = tokens[i];
      if (!isType || tokens[i + 1].type !== TokenType.name) continue;
      if (
        contextualKeyword !== ContextualKeyword._namespace &&
        contextualKeyword !== ContextualKeyword._module
      ) {
        continue;
      }
      const next = tokens[i + 2].type;
      if (next !== TokenType.braceL && next !== TokenType.dot) continue;
      if (i > 0 && source.slice(tokens[i - 1].start, tokens[i - 1].end) === 'declare') continue;
      const lines = source.slice(0, start).split('\n');
      const error = new Error('namespaces are not supported');
      error.loc = { line: lines.length, column: lines[lines.length - 1].length + 1 };
      throw error;
    }
  };

  return (source) => {
    try {
      const { tokens, scopes } = parse(source, false, true, false);
      refuseNamespaces(source, tokens);
      const nameManager = new NameManager(source, tokens);
      const helperManager = new HelperManager(nameManager);
      const tokenProcessor = new TokenProcessor(source, tokens, false, true, helperManager);
      identifyShadowedGlobals(tokenProcessor, scopes, getTSImportedNames(tokenProcessor));
      const context = { tokenProcessor, scopes, nameManager, importProcessor: null, helperManager };
      const root = new RootTransformer(context, OPTIONS.transforms, false, OPTIONS);
      const { code, mappings } = root.transform();
      return 'M' + mapOf(tokens, mappings) + '\n' + code;
    } catch (error) {
      const place = error.loc || { line: 0, column: 0 };
      const message = String(error.message).replace(/ \(\d+:\d+\)$/, '').replace(/[\r\n]/g, ' ');
      return `E ${place.line} ${place.column} ${message}`;
    }
  };
})()
