// SPDX-License-Identifier: GPL-2.0
// server.js PORT FOLDER: a web server of Node.js; files go out as streams, connections are kept.
const fs = require('fs'), http = require('http'), path = require('path');

const [port, folder] = process.argv.slice(2);

// a connection may wait longer than the usual 5 s while the client is busy with another
http.createServer({ keepAliveTimeout: 120000 }, (request, response) => {
	const file = path.join(folder, path.basename(request.url));

	fs.stat(file, (error, stat) => {
		if (error || !stat.isFile()) {
			response.writeHead(404).end();
			return;
		}
		response.writeHead(200, { 'Content-Length': stat.size });
		fs.createReadStream(file).pipe(response);
	});
}).listen(Number(port), '0.0.0.0');
