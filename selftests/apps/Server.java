// SPDX-License-Identifier: GPL-2.0
// Server PORT FOLDER: the JDK's own web server, four threads, over channels and selectors of java.nio.
import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;

public class Server {
	public static void main(String[] args) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(args[0])), 64);
		Path folder = Path.of(args[1]);

		server.createContext("/", exchange -> {
			Path file = folder.resolve(Path.of(exchange.getRequestURI().getPath()).getFileName());

			exchange.sendResponseHeaders(200, Files.size(file));
			try (OutputStream out = exchange.getResponseBody()) {
				Files.copy(file, out);
			}
		});
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.start();
	}
}
