import { describe, expect, test } from '@jest/globals';
import { withoutSecrets } from '../../../cli/redact.ts';

describe('what an export says of a URL', () => {
  test.each([
    ['who asks', 'https://ann:secret@images/os.img', 'https://redacted@images/os.img'],
    ['a password with an @', 'https://ann:sec@ret@images/os.img', 'https://redacted@images/os.img'],
    [
      'a scheme in capitals',
      'HTTPS://ann:secret@images/os.img?key=secret',
      'HTTPS://redacted@images/os.img?key=redacted',
    ],
    ['an @ in the path is no one who asks', 'https://images/os@1.img', 'https://images/os@1.img'],
    ['within a sentence', 'GET http://a:b@c/d?e=f failed', 'GET http://redacted@c/d?e=redacted failed'],
  ])('%s', (_what, text, cleaned) => {
    expect(withoutSecrets({ url: text })).toEqual({ url: cleaned });
  });
});
